"""Settings: all of them from the environment, through config/env.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from csp.constants import NONE, SELF

from config import env
from config.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent

REDRIVE_VERSION = "0.1.0"
REDRIVE_USER_AGENT = f"Redrive/{REDRIVE_VERSION}"

# Read by `make up`; the processes it starts get the servers' addresses through the URLs below.
env.text("REDRIVE_HOST", "127.0.0.1", "Address that the web process listens on.")
env.integer("REDRIVE_PORT", 8000, "Port of the web process.", least=1)
REDRIVE_DATA_DIR = env.text(
    "REDRIVE_DATA_DIR", ".redrive", "Folder of the embedded servers and the credentials."
)
env.text(
    "REDRIVE_ADMIN_PASSWORD", "made at first start", "Password of the user `admin`, at first start."
)
env.text(
    "REDRIVE_BOOTSTRAP_API_KEY",
    "made at first start",
    "An API key with all scopes, at first start: `rdk_`, eight letters or digits, `_`, a secret.",
)
env.integer("REDRIVE_WORKERS", 0, "Worker processes of `make up`; 0 for one a core.")

DATABASE_URL = env.secret("DATABASE_URL", "`postgresql://user:password@host:port/name`.")
REDIS_URL = env.secret("REDIS_URL", "`redis://host:port/0`, `rediss://…` or `unix:///path`.")
REDRIVE_BROKER_URL = env.text(
    "REDRIVE_BROKER_URL", REDIS_URL, "Celery's broker, such as RabbitMQ: `amqp://…`."
)

# Secrets
SECRET_KEY = env.secret("REDRIVE_SECRET_KEY", "Signs sessions and forms: any long random text.")
REDRIVE_SECRET_KEYS = env.fernet_keys(
    "REDRIVE_SECRET_KEYS",
    "Fernet keys between commas: the first encrypts secrets at rest, all of them decrypt.",
)

# The engine
REDRIVE_ALLOW_ADDRESSES = env.networks(
    "REDRIVE_ALLOW_ADDRESSES", "", "Networks (CIDR) that deliveries may go to beside public ones."
)
REDRIVE_WINDOW = env.integer("REDRIVE_WINDOW", 256, "Sends in flight a worker process.", least=1)
REDRIVE_LEASE_GRACE = env.number(
    "REDRIVE_LEASE_GRACE", 15, "Seconds that a worker's lease outlives the send it is for."
)
REDRIVE_BREAKER_OPEN = env.number(
    "REDRIVE_BREAKER_OPEN", 30, "Seconds that a breaker stays open the first time; it doubles."
)
REDRIVE_POLL = env.number("REDRIVE_POLL", 0.1, "Seconds between two looks for due deliveries.")
REDRIVE_EVENT_MAX_BYTES = env.integer(
    "REDRIVE_EVENT_MAX_BYTES", 262_144, "Bytes that one event may have.", least=1
)
REDRIVE_BATCH_MAX_BYTES = env.integer(
    "REDRIVE_BATCH_MAX_BYTES", 8_388_608, "Bytes that one batch may have.", least=1
)
REDRIVE_BATCH_MAX_ITEMS = env.integer(
    "REDRIVE_BATCH_MAX_ITEMS", 1_000, "Events that one batch may have.", least=1
)
REDRIVE_IDENTITY_HOURS = env.number(
    "REDRIVE_IDENTITY_HOURS", 72, "Hours in which a repeated publish is recognised."
)
REDRIVE_RETENTION_DAYS = env.integer(
    "REDRIVE_RETENTION_DAYS",
    30,
    "Days that finished events, deliveries and attempts are kept.",
    least=1,
)

REDRIVE_DISK = env.text(
    "REDRIVE_DISK",
    "",
    "A folder on the database's disk, as the dispatchers see it; empty: the embedded server's.",
)

REDRIVE_SEARCH = env.boolean(
    "REDRIVE_SEARCH",
    default=True,
    meaning="Index what events say, so that it can be searched for.",
)

REDRIVE_JOBS = {
    "events.rescue": 1.0,
    "events.load": 1.0,
    "events.expand": 0.5,
    "events.resume": 1.0,
    "events.health": 60.0,
    "events.test": 0.5,
    "events.probe": 300.0,
    "events.roll": 5.0,
    "events.retain": 600.0,
    "events.bulk": 0.5,
    "events.text": 1.0,
    "dlq.replay": 0.5,
    "dlq.clear": 0.5,
    "dlq.forget": 600.0,
    "monitoring.sample": 1.0,
    "monitoring.findings": 2.0,
    "monitoring.parts": 5.0,
    "monitoring.lanes": 10.0,
    "monitoring.keep": 30.0,
    "monitoring.reconcile": 10.0,
    "monitoring.drill": 5.0,
}
"""Periodic jobs of the dispatcher: the task's name and the seconds between two starts."""

REDRIVE_SAFE_DRILL_HOURS = env.integer(
    "REDRIVE_SAFE_DRILL_HOURS", 0, "Hours between two runs of the safe drills; 0: only by hand."
)

# The web
DEBUG = env.boolean("REDRIVE_DEBUG", default=False, meaning="Django's debug pages. Never in use.")
REDRIVE_TLS = env.boolean(
    "REDRIVE_TLS", default=False, meaning="Browsers come over HTTPS: secure cookies and HSTS."
)
ALLOWED_HOSTS = env.items(
    "REDRIVE_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]", "Host names that the console answers to."
)
REDRIVE_TRUSTED_PROXIES = env.integer(
    "REDRIVE_TRUSTED_PROXIES", 0, "How many proxies in front add to X-Forwarded-For."
)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "axes",
    "channels",
    "csp",
    "django_htmx",
    "events",
    "dlq",
    "monitoring",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "monitoring.preferences.ZoneMiddleware",
    "axes.middleware.AxesMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "events.roles.context",
                "monitoring.context.console",
            ],
        },
    }
]
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {"staticfiles": {"BACKEND": "servestatic.storage.CompressedStaticFilesStorage"}}


def _database(url: str) -> dict[str, Any]:
    """Django's form of a URL; `host` in the query is the folder of a unix socket."""
    parts = urlsplit(url)
    query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    return {
        "ENGINE": "config.postgres",
        "NAME": unquote(parts.path.lstrip("/")) or "redrive",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(query.pop("host", "") or parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": {
            # Deliveries hold a connection for long, requests for a moment: a pool serves both.
            "pool": {"min_size": 0, "max_size": 20, "timeout": 5.0},
            "connect_timeout": 2,
            # A host that vanishes closes nothing: without these, whoever waits for it waits for
            # a quarter of an hour.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 2,
            "tcp_user_timeout": 8_000,
            "application_name": "redrive",
            # Django's own cursors prepare nothing; without a threshold nobody could.
            "prepare_threshold": 5,
            "options": (
                "-c plan_cache_mode=force_generic_plan -c lock_timeout=5s "
                "-c statement_timeout=30s -c idle_in_transaction_session_timeout=60s"
            ),
            **query,
        },
        "TEST": {"NAME": f"test_{unquote(parts.path.lstrip('/'))}"},
    }


DATABASES = {"default": _database(DATABASE_URL)}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
}

# Signing in
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/sign-in/"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_HANDLER = "config.sign_in_limits.SignInLimits"
AXES_ENABLE_ACCESS_FAILURE_LOG = True
AXES_LOCKOUT_CALLABLE = "config.sign_in_limits.locked"
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_ADMIN = False
AXES_CLIENT_IP_CALLABLE = "config.client_address.client_address"

# What browsers may do
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
SECURE_SSL_REDIRECT = REDRIVE_TLS
# Balancers ask over plain HTTP, and a redirect is not an answer to them.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if REDRIVE_TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 31_536_000 if REDRIVE_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = REDRIVE_TLS
# Preloading speaks for a whole domain, which is not one service's to decide.
SILENCED_SYSTEM_CHECKS = ["security.W021"]
SESSION_COOKIE_NAME = "__Host-redrive" if REDRIVE_TLS else "redrive"
SESSION_COOKIE_SECURE = REDRIVE_TLS
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_NAME = "__Host-csrf" if REDRIVE_TLS else "redrive-csrf"
CSRF_COOKIE_SECURE = REDRIVE_TLS

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

LOGGING = logging_config(
    level=env.choice(
        "REDRIVE_LOG_LEVEL", "INFO", "How much is logged.", of=("DEBUG", "INFO", "WARNING", "ERROR")
    ),
    form=env.choice(
        "REDRIVE_LOG_FORMAT", "text", "`text` for people, `json` for machines.", of=("text", "json")
    ),
)

REDRIVE_DECLARED = env.DECLARED
"""What the settings page shows; values are masked there."""
