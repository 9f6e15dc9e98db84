"""Every setting, typed, from the environment. `.env.example` documents each; a wrong value stops us."""

from pathlib import Path
from typing import Any

import django_stubs_ext

from captioning.captioners.decoding import Decoding
from captioning.captioners.hub_options import DTYPES, HubOptions
from captioning.captioners.styles import NORMAL, STYLES
from config import environment as env
from config.logging import LEVELS, logging_config

# Lets code say admin.ModelAdmin[Asset] at run time, as the type checker wants it.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env.load_dotenv(BASE_DIR / ".env")

# Places
VAR_DIR = env.path("VAR_DIR", BASE_DIR / "var")
MEDIA_ROOT = env.path("MEDIA_ROOT", VAR_DIR / "media")
INDEX_DIR = env.path("INDEX_DIR", VAR_DIR / "index")
MODEL_CACHE_DIR = env.path("MODEL_CACHE_DIR", VAR_DIR / "models")
STATIC_ROOT = env.path("STATIC_ROOT", VAR_DIR / "static")

# Who may talk to us, and how
DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.secret_key("SECRET_KEY", VAR_DIR / "secret_key")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS", [])
ALLOW_SIGNUP = env.flag("ALLOW_SIGNUP", default=True)
HTTPS = env.flag("HTTPS", default=False)
HSTS_S = env.integer("HSTS_S", 60 * 60 * 24 * 365, at_least=0)
BEHIND_TLS_PROXY = env.flag("BEHIND_TLS_PROXY", default=False)
CLIENT_ADDRESS_HEADER = env.optional_text("CLIENT_ADDRESS_HEADER")

SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = HSTS_S if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS_PROXY else None
# A load balancer asks for health over plain HTTP from inside.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True

# Database, queue
DATABASES = {"default": env.database("DATABASE_URL", VAR_DIR / "sightline.sqlite3")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Several processes write: take the write lock when a transaction begins, wait for it, let readers read on.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # Mapped, as far as SQLite maps: a search reads some hundred pages all over the file, one system call each. What
        # lies beyond 2 GB is kept in 16 MB of each connection.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=2147418112; "
        "PRAGMA cache_size=-16384;",
    }
    Path(DATABASES["default"]["NAME"]).parent.mkdir(parents=True, exist_ok=True)
else:
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# On SQLite, too: a new connection reads the whole schema, which is 3 ms of every search.
DATABASES["default"]["CONN_MAX_AGE"] = 60
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.text("REDIS_URL", "redis://127.0.0.1:6379/0")

# What may be uploaded
UPLOAD_MAX_BYTES = env.integer("UPLOAD_MAX_BYTES", 50_000_000)
UPLOAD_MAX_PIXELS = env.integer("UPLOAD_MAX_PIXELS", 100_000_000)
UPLOAD_MAX_FILES = env.integer("UPLOAD_MAX_FILES", 200)
UPLOAD_QUOTA_BYTES = env.integer("UPLOAD_QUOTA_BYTES", 0, at_least=0)
ZIP_MAX_BYTES = env.integer("ZIP_MAX_BYTES", 2_000_000_000)
ZIP_MAX_FILES = env.integer("ZIP_MAX_FILES", 10_000)
ZIP_MAX_RATIO = env.integer("ZIP_MAX_RATIO", 200)
THUMBNAIL_WIDTHS_PX = (320, 960)
ITEMS_MAX_BYTES = env.integer("ITEMS_MAX_BYTES", 100_000_000)
ITEMS_MAX_LINES = env.integer("ITEMS_MAX_LINES", 50_000)
DATA_UPLOAD_MAX_NUMBER_FILES = UPLOAD_MAX_FILES
FILE_UPLOAD_PERMISSIONS = 0o640
FILE_UPLOAD_HANDLERS = [
    "library.upload_cap.UploadCap",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# What is asked of addresses that sites name: their pictures, their webhooks
OUTBOUND_TIMEOUT_S = env.number("OUTBOUND_TIMEOUT_S", 15.0, at_least=0.1)
OUTBOUND_ALLOWED_NETWORKS = env.networks("OUTBOUND_ALLOWED_NETWORKS")

# Models and engines: dotted paths, so that another one is a setting and a class
DEVICE = env.text("DEVICE", "auto")
BACKBONE = env.text("BACKBONE", "captioning.vision.backbone.EfficientNetLite2")
CAPTIONER = env.text("CAPTIONER", "captioning.captioners.visual.VisualCaptioner")
CAPTIONER_CHECKPOINT = env.optional_text("CAPTIONER_CHECKPOINT")
CAPTIONER_MODEL_ID = env.optional_text("CAPTIONER_MODEL_ID")
# Chooses among the sentences that the captioner keeps of a picture, where its decoding has a match_weight.
CAPTIONER_JUDGE = env.text("CAPTIONER_JUDGE", "search.embedders.dual.DualEncoder")
CAPTIONER_DECODING = env.parsed("CAPTIONER_DECODING", "", Decoding.parse)
CAPTION_STYLE = env.choice("CAPTION_STYLE", NORMAL, STYLES)
CAPTIONER_HUB = HubOptions(
    model=env.optional_text("CAPTIONER_HUB_MODEL"),
    revision=env.optional_text("CAPTIONER_HUB_REVISION"),
    dtype=env.choice("CAPTIONER_HUB_DTYPE", "auto", DTYPES),
    device=env.optional_text("CAPTIONER_HUB_DEVICE"),
    batch_size=env.integer("CAPTIONER_HUB_BATCH_SIZE", 8),
    prompt=env.optional_text("CAPTIONER_HUB_PROMPT"),
    picture_px=env.integer("CAPTIONER_HUB_PICTURE_PX", 768, at_least=64),
    download=env.flag("CAPTIONER_HUB_DOWNLOAD", default=False),
)
EMBEDDERS = env.mapping(
    "EMBEDDERS",
    {"image": "search.embedders.dual.DualEncoder", "caption": "search.embedders.sentence.SentenceEncoder"},
)
EMBEDDER_MODEL_IDS = env.mapping("EMBEDDER_MODEL_IDS", {})
RERANKER = env.text("RERANKER", "")
RERANKER_OPTIONS = env.mapping("RERANKER_OPTIONS", {})
RERANKER_WEIGHT = env.number("RERANKER_WEIGHT", 0.3)
RERANKED = env.integer("RERANKED", 50)
VECTOR_ENGINE = env.text("VECTOR_ENGINE", "faiss")
MILVUS = {
    "uri": env.text("MILVUS_URI", "http://127.0.0.1:19530"),
    "token": env.text("MILVUS_TOKEN", ""),
    "consistency": env.choice("MILVUS_CONSISTENCY", "Strong", ("Strong", "Bounded", "Session", "Eventually")),
    "index": env.text("MILVUS_INDEX", "HNSW"),
    "effort": env.integer("MILVUS_EFFORT", 128),
    "replicas": env.integer("MILVUS_REPLICAS", 1),
}
INDEX_RECALL_FLOOR = env.number("INDEX_RECALL_FLOOR", 0.98, at_most=1.0)
INDEX_MEMORY_MB = env.integer("INDEX_MEMORY_MB", 4000)
INDEX_LATENCY_MS = env.number("INDEX_LATENCY_MS", 20.0)
INDEX_KIND = env.choice("INDEX_KIND", "auto", ("auto", "flat", "sq8", "ivf", "hnsw", "rabitq"))
TAG_MIN_CONFIDENCE = env.optional_number("TAG_MIN_CONFIDENCE")
REVIEW_MIN_CONFIDENCE = env.optional_number("REVIEW_MIN_CONFIDENCE")
REVIEW_MIN_MATCH = env.optional_number("REVIEW_MIN_MATCH")
REVIEW_MIN_WORDS = env.optional_integer("REVIEW_MIN_WORDS")
REVIEW_MAX_WORDS = env.optional_integer("REVIEW_MAX_WORDS")
DESCRIBE_BATCH_SIZE = env.integer("DESCRIBE_BATCH_SIZE", 32)
TEXT_READER = env.switchable("TEXT_READER", "captioning.vision.text_reader.RapidOcr")
UNSAFE_SCORER = env.switchable("UNSAFE_SCORER", "captioning.vision.safety.OpenNsfw")
UNSAFE_PHOTOS = env.choice("UNSAFE_PHOTOS", "hide", ("hide", "show"))
UNSAFE_MIN_SCORE = env.number("UNSAFE_MIN_SCORE", 0.8, at_most=1.0)
TEXT_READER_PX = env.integer("TEXT_READER_PX", 960, at_least=32)
LEARN_AGAIN_DATASET = env.optional_text("LEARN_AGAIN_DATASET")
LEARN_AGAIN_CONFIG = env.optional_text("LEARN_AGAIN_CONFIG")
INTERACTIONS_KEEP_DAYS = env.integer("INTERACTIONS_KEEP_DAYS", 180)
WEBHOOKS_KEEP_DAYS = env.integer("WEBHOOKS_KEEP_DAYS", 30)
INTERACTIONS_PER_MINUTE = env.integer("INTERACTIONS_PER_MINUTE", 60_000)
RELATED_DIVERSITY = env.number("RELATED_DIVERSITY", 0.3, at_most=1.0)
RECOMMENDATION_EXPLORATION = env.number("RECOMMENDATION_EXPLORATION", 0.1, at_most=1.0)
LEARN_AGAIN_EVERY_H = env.number("LEARN_AGAIN_EVERY_H", 0.0)
LEARN_AGAIN_MIN_REVIEWS = env.integer("LEARN_AGAIN_MIN_REVIEWS", 200)
SEARCH_CUTOFF = env.flag("SEARCH_CUTOFF", default=True)
RECORD_SEARCHES = env.flag("RECORD_SEARCHES", default=False)
RECORD_SEARCHES_DAYS = env.integer("RECORD_SEARCHES_DAYS", 90)
INTERACTIVE_TIMEOUT_S = env.number("INTERACTIVE_TIMEOUT_S", 20.0, at_least=0.1)

# Celery: what differs between tasks is said beside them, in workers/
CELERY_BROKER_URL = REDIS_URL

LOGGING = logging_config(
    level=env.choice("LOG_LEVEL", "INFO", LEVELS), json=env.flag("LOG_JSON", default=False)
)

# Django
INSTALLED_APPS = [
    "config",
    "workers",
    "recommender",
    "search",
    "captioning",
    "library",
    "ninja",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "recommender.cross_origin.cross_origin",
    "config.middleware.content_security_policy",
    "config.middleware.ErrorPages",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.pages.review.menu",
            ]
        },
    }
]
LOGIN_URL = "/account/login/"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/"
AUTHENTICATION_BACKENDS = ["config.sign_in.PatientBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
STATIC_URL = "/static/"
STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": env.text("MEDIA_STORAGE", "library.storage.ContentStorage"),
        "OPTIONS": env.mapping("MEDIA_STORAGE_OPTIONS", {}),
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
