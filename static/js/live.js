"use strict";

// Live parts of a page: frames over the socket, polling when it is away, and the truth about how old
// what is shown is. Frames carry fragments (hx-swap-oob="morph"); a message that begins with { is a
// hint that names what changed.
(() => {
  const STALE_TICKS = 3;
  const POLL_AFTER = 5_000;
  const REREAD_AFTER = 1_000;
  const POLLED_WITHIN = 12_000;
  const RECONNECT_AFTER = 10_000;
  const RECONNECT_AGAIN = 60_000;
  const HOLD_AT_MOST = 10_000;
  const HIDDEN_FOR = 60_000;
  const SIGNED_OUT = 4401;
  const FULL = 4429;
  const GOING_AWAY = 1001;

  const root = document.documentElement;
  const button = document.getElementById("live");
  const words = document.getElementById("live-words");
  const trouble = document.getElementById("trouble");
  const polling = document.getElementById("polling");
  const pulse = () => document.getElementById("pulse");
  if (!button || !pulse()) return;

  let socket = null;
  let wrapper = null;
  let lostAt = performance.now();
  let freshAt = performance.now();
  let heardAt = performance.now();
  let bySocket = false;
  let reconnectedAt = 0;
  let pausedAt = null;
  let ended = "";
  let hiddenTimer = 0;
  let leaving = false;
  let heldSince = 0;
  let pointerDown = false;
  const held = new Map();

  const version = (element) => Number(element?.dataset.v ?? -1);

  // A frame that was overtaken must not put older numbers back.
  document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { target, fragment } = event.detail;
    const fresh = fragment.firstElementChild ?? fragment;
    if (fresh.dataset?.v && version(fresh) <= version(target)) event.preventDefault();
  });

  // What a reader has opened, ticked or typed into is theirs.
  Object.assign(Idiomorph.defaults.callbacks, {
    beforeNodeMorphed: (old) => !(old instanceof Element && old.hasAttribute("data-hold")),
    beforeAttributeUpdated: (name, node) =>
      !(name === "open" && node.tagName === "DETAILS") && !(name === "tabindex" && node.tagName === "TR"),
  });

  const selecting = () => {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && Boolean(selection.anchorNode?.parentElement?.closest("[data-v]"));
  };
  const holding = () =>
    pausedAt !== null ||
    ((pointerDown || selecting()) && (!heldSince || performance.now() - heldSince < HOLD_AT_MOST));

  const hold = (html) => {
    if (!heldSince) heldSince = performance.now();
    const template = document.createElement("template");
    template.innerHTML = html;
    for (const fragment of template.content.children) held.set(fragment.id, fragment.outerHTML);
  };
  const release = () => {
    if (!held.size || holding()) return;
    const html = [...held.values()].join("");
    held.clear();
    heldSince = 0;
    htmx.swap(document.body, html, { swapStyle: "none" });
  };

  const source = document.querySelector("[ws-connect]")?.getAttribute("ws-connect") ?? "";
  const watched = new URLSearchParams(source.split("?")[1]).get("watch")?.split(",").filter(Boolean) ?? [];
  const changed = (id) => {
    htmx.trigger(document.body, `rd:changed:${id}`);
    document.dispatchEvent(new Event("rd:changed"));
  };
  // Paused or not: reread.js and rows.js keep what they may not show yet.
  const hint = (message) => {
    for (const id of JSON.parse(message).changed) {
      setTimeout(() => changed(id), Math.random() * 300);
    }
  };

  document.body.addEventListener("htmx:wsBeforeMessage", (event) => {
    const { message } = event.detail;
    if (leaving) {
      event.preventDefault();
    } else if (message.startsWith("{")) {
      event.preventDefault();
      hint(message);
    } else if (holding()) {
      event.preventDefault();
      hold(message);
      heard();
    } else {
      bySocket = true;
    }
  });
  document.body.addEventListener("htmx:wsAfterMessage", () => {
    bySocket = false;
  });
  document.body.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.detail.target.id === "pulse") (bySocket ? heard : beat)();
  });

  const beat = () => {
    freshAt = performance.now();
    show();
  };
  // An open socket that says nothing new is no reason to stop asking: Redis may be away.
  const heard = () => {
    heardAt = performance.now();
    stopPolling();
    beat();
  };

  document.body.addEventListener("htmx:wsOpen", (event) => {
    socket = event.detail.event.target;
    wrapper = event.detail.socketWrapper;
    lostAt = null;
    // What changed before the socket was open was told to nobody.
    setTimeout(() => watched.forEach(changed), REREAD_AFTER);
    show();
  });
  document.body.addEventListener("htmx:wsClose", (event) => {
    const closed = event.detail.event;
    // reconnect() closes the socket before it: that is not news.
    if (socket && closed.target !== socket) return;
    lostAt ??= performance.now();
    if (closed.code === SIGNED_OUT) end("Signed out or role changed", "/sign-in/");
    else if (closed.code === FULL) startPolling();
    else if (closed.code === GOING_AWAY) setTimeout(() => wrapper?.reconnect(), Math.random() * 2_000);
    show();
  });

  const end = (sentence, href) => {
    ended = sentence;
    stopPolling();
    trouble.setAttribute("role", "alert");
    tell(`${sentence}. `, "Sign in", `${href}?next=${encodeURIComponent(location.pathname + location.search)}`);
  };
  const tell = (sentence, action, href) => {
    trouble.replaceChildren(document.createTextNode(sentence));
    if (href) {
      const link = document.createElement("a");
      link.href = href;
      link.textContent = action;
      trouble.append(link);
    }
    trouble.hidden = false;
  };

  const startPolling = () => {
    if (document.getElementById("poller") || ended || document.hidden) return;
    document.body.append(polling.content.cloneNode(true));
    const poller = document.getElementById("poller");
    // An answer that is there already cannot be aborted, and finds no target from outside the page.
    poller.addEventListener("htmx:beforeSwap", (event) => {
      event.detail.shouldSwap = poller.isConnected;
    });
    htmx.process(poller);
  };
  const stopPolling = () => {
    const poller = document.getElementById("poller");
    if (!poller) return;
    // An answer to one that is gone would find none of its targets.
    htmx.trigger(poller, "htmx:abort");
    poller.remove();
  };

  const ticks = () => STALE_TICKS * 1_000 * Math.max(1, Number(pulse().dataset.span || 1));
  const cutOff = () => {
    const now = performance.now();
    return lostAt !== null ? now - lostAt > POLL_AFTER : now - heardAt > Math.max(POLL_AFTER, ticks());
  };
  const clock = (date) => date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const state = () => {
    const silent = performance.now() - freshAt;
    if (ended) return ["lost", "Not live"];
    if (pausedAt !== null) return ["paused", `Paused at ${clock(pausedAt)}`];
    const polls = document.getElementById("poller");
    if (polls && silent < POLLED_WITHIN) return ["polling", "Asking every 5 s"];
    if (silent > ticks()) return ["stale", `Live data is ${Math.round(silent / 1000)} s old`];
    if (lostAt !== null) return ["connecting", "Connecting"];
    return ["live", "Live"];
  };
  const show = () => {
    const [name, text] = state();
    button.dataset.state = name;
    if (words.textContent !== text) words.textContent = text;
    root.toggleAttribute("data-stale", name === "stale" || name === "lost");
  };

  const reconnect = () => {
    const now = performance.now();
    const silent = now - freshAt > RECONNECT_AFTER && now - reconnectedAt > RECONNECT_AGAIN;
    if (!wrapper || lostAt !== null || !silent || pausedAt !== null || document.hidden) return;
    reconnectedAt = now;
    wrapper.reconnect();
  };
  const watch = () => {
    release();
    show();
    if (pausedAt !== null || document.hidden) stopPolling();
    else if (cutOff()) startPolling();
    if (!ended && document.getElementById("poller")) {
      tell("Live updates are cut off: this page asks again every 5 s. ");
    } else if (!ended) {
      trouble.hidden = true;
    }
    reconnect();
  };
  setInterval(watch, 1_000);

  const toggle = () => {
    pausedAt = pausedAt === null ? new Date() : null;
    button.setAttribute("aria-pressed", String(pausedAt !== null));
    const sentence = pausedAt === null ? "Live updates go on." : "Live updates are paused.";
    document.dispatchEvent(new CustomEvent("rd:say", { detail: { sentence, now: true } }));
    release();
    show();
    if (pausedAt === null) document.dispatchEvent(new Event("rd:resume"));
  };
  button.addEventListener("click", toggle);
  document.addEventListener("rd:pause", toggle);

  // Only what a pointer holds inside a live part must wait.
  document.addEventListener("pointerdown", (event) => {
    pointerDown = Boolean(event.target.closest?.("[data-v]"));
  });
  for (const name of ["pointerup", "pointercancel", "blur"]) {
    addEventListener(name, () => {
      pointerDown = false;
      setTimeout(release, 50);
    });
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) {
      stopPolling();
      hiddenTimer = setTimeout(() => socket?.readyState === 1 && socket.send("pause"), HIDDEN_FOR);
      return;
    }
    if (socket?.readyState === 1) {
      socket.send("resume");
      heardAt = performance.now();
    }
    document.dispatchEvent(new Event("rd:resume"));
  });
  // What comes while the page is torn down finds its parts gone.
  addEventListener("pagehide", () => {
    leaving = true;
  });
  addEventListener("pageshow", () => {
    leaving = false;
  });

  show();
})();
