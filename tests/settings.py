"""Settings of the tests: the same environment variables as in production, given small fast values.

They are put into the environment itself, so that the processes a test starts see them too.
"""

import atexit
import os
import shutil
import tempfile

if "SIGHTLINE_TEST_VAR" not in os.environ:
    os.environ["SIGHTLINE_TEST_VAR"] = tempfile.mkdtemp(prefix="sightline-tests-")
    atexit.register(shutil.rmtree, os.environ["SIGHTLINE_TEST_VAR"], ignore_errors=True)

_VALUES = {
    "VAR_DIR": f"{os.environ['SIGHTLINE_TEST_VAR']}/{os.environ.get('PYTEST_XDIST_WORKER', 'main')}",
    "SECRET_KEY": "a key that only tests know, long enough for every check of its length",
    "BACKBONE": "tests.fakes.FakeBackbone",
    "CAPTIONER": "tests.fakes.FakeCaptioner",
    "CAPTIONER_MODEL_ID": "fake-captioner",
    "EMBEDDERS": "image=tests.fakes.FakeImageEmbedder,caption=tests.fakes.FakeCaptionEmbedder",
    "EMBEDDER_MODEL_IDS": "image=fake-image,caption=fake-caption",
    "UNSAFE_SCORER": "tests.fakes.FakeUnsafeScorer",
    "TEXT_READER": "tests.fakes.FakeTextReader",
    "RERANKER": "",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    # What a test starts is forked from a process in which milvus-lite may serve: gRPC's care for forks ends such a
    # child.
    "GRPC_ENABLE_FORK_SUPPORT": "0",
}
os.environ.update(_VALUES)
for name in ("MEDIA_ROOT", "INDEX_DIR", "MODEL_CACHE_DIR", "STATIC_ROOT", "REDIS_URL", "DEBUG", "HTTPS"):
    os.environ.pop(name, None)

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES, STATIC_ROOT, STORAGES, VAR_DIR  # noqa: E402

STATIC_ROOT.mkdir(parents=True, exist_ok=True)

# A file, not memory: threads and worker processes share it.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
