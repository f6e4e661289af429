# Redrive. `make up` runs it, `make demo` runs it with live traffic, `make test` proves it.

# uv: the one on the path, else one of our own in .uv, which touches nothing of the system.
UV := $(shell command -v uv || echo .uv/uv)
PYTHON := .venv/bin/python
NIGHTLY := .nightly/bin/python
TEMPLATES = $(shell find templates -name '*.html')
SYNCED := .venv/.synced

# What loads the settings alone: nothing is connected to.
CHECKED := DATABASE_URL=postgresql://check REDIS_URL=redis://check \
	REDRIVE_SECRET_KEY=check REDRIVE_SECRET_KEYS=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=

.PHONY: up demo down test check bench drill drill-quick screenshots browser
.PHONY: nightly mutants fuzz audit

up demo down: $(SYNCED)
	@exec $(PYTHON) -m config.stack $@

# In the order of their names, so that the files of tests/browser share a stack and a Chromium.
test: $(SYNCED) browser
	@$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(SYNCED)
	@$(PYTHON) -m ruff format --check -q .
	@$(PYTHON) -m ruff check -q .
	@out=$$(.venv/bin/lint-imports --no-logo) || { echo "$$out"; exit 1; }
	@$(CHECKED) $(PYTHON) -m mypy --explicit-package-bases .
	@.venv/bin/djade --check --target-version 5.2 $(TEMPLATES)
	@.venv/bin/djlint --quiet --lint --ignore H015,H025,H030,H031,H043 templates
	@$(PYTHON) -m pytest -q tests/check

bench: $(SYNCED)
	@exec $(PYTHON) -m bench $(ARGS)

drill: $(SYNCED)
	@exec $(PYTHON) -m drills $(ARGS)

drill-quick: $(SYNCED)
	@exec $(PYTHON) -m drills --quick $(ARGS)

screenshots: $(SYNCED) browser
	@exec $(PYTHON) -m tests.browser.screenshots

# What takes too long for each change, or asks somebody outside.
nightly: mutants fuzz audit

mutants: .nightly/.synced
	@rm -rf mutants
	@$(NIGHTLY) -m tests.nightly.mutants $(ARGS)

fuzz: .nightly/.synced
	@$(CHECKED) DJANGO_SETTINGS_MODULE=config.settings $(NIGHTLY) -m tests.nightly.fuzz $(ARGS)

audit: .nightly/.synced
	@$(UV) export --locked --quiet --no-emit-project --no-group nightly --output-file .nightly/audited.txt >/dev/null
	@$(NIGHTLY) -m pip_audit --strict --require-hashes --disable-pip --requirement .nightly/audited.txt

# Apart: one of its packages, where it is found, renames the processes of the product.
.nightly/.synced: $(SYNCED)
	@UV_PROJECT_ENVIRONMENT=.nightly $(UV) sync --locked --quiet --group nightly
	@touch $@

$(SYNCED): pyproject.toml uv.lock | $(UV)
	@$(UV) sync --locked --quiet
	@touch $@

.uv/uv: .ci/get_uv.py
	@python3 .ci/get_uv.py $@

# The browser tests drive the system's Chromium.
browser:
	@if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then \
		if [ "$$(id -u)" = 0 ]; then as=; elif sudo -n true 2>/dev/null; then as=sudo; else \
			echo "The browser tests need Chromium: have the package chromium installed." >&2; exit 1; \
		fi; \
		$$as apt-get -qq update && $$as apt-get -qq --yes --no-install-recommends install chromium \
			>/dev/null; \
	fi
