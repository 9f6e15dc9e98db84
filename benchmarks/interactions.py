"""How many single interactions a second are taken in while the site serves, and whether any is lost in a crash.

    python benchmarks/interactions.py [--rate 200] [--seconds 30] [--json]

A web server of two processes on SQLite, a Redis and a worker. Pages send interactions one by one at a steady rate, and
ask for recommendations meanwhile; after a third of the time Redis is killed, after two thirds the worker. Fails where
an interaction that was acknowledged is not in the database afterwards, or fewer than nine tenths of the rate are taken.
"""

import argparse
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.embedded import REPOSITORY, prepare_environment, scratch_folder, wait_until_served

SENDERS = 8
ITEMS = 200
ASKING_EVERY_S = 0.5


@dataclass
class Told:
    """What the senders saw: keys that were acknowledged, seconds of each, and answers that were none."""

    acknowledged: list[str] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    asked_s: list[float] = field(default_factory=list)


def main() -> int:
    arguments = parsed()
    with scratch_folder() as scratch:
        prepare_environment(scratch / "var")
        result = measure(arguments.rate, arguments.seconds, scratch)
    print(
        json.dumps(result)
        if arguments.json
        else "\n".join(f"{key}: {value}" for key, value in result.items())
    )
    return 0 if not result["lost"] and result["accepted_per_s"] >= 0.9 * arguments.rate else 1


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=200.0, help="interactions a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def measure(rate: float, seconds: float, scratch: Path) -> dict[str, Any]:
    """Start everything, send, kill, and count what is there."""
    from django.core.management import call_command

    from config.stack.ports import free_port
    from config.stack.redis_server import start_redis

    call_command("migrate", verbosity=0)
    key = prepared_site()
    os.environ["INTERACTIONS_PER_MINUTE"] = str(int(120 * rate))
    redis, url = start_redis(scratch, scratch)
    environment, port = {**os.environ, "REDIS_URL": url}, free_port()
    web = started(
        ["-m", "gunicorn", "config.wsgi", "-w", "2", "--threads", "4", "-b", f"127.0.0.1:{port}"], environment
    )
    worker = started(["-m", "celery", "-A", "workers", "worker", "-Q", "cpu", "-P", "solo"], environment)
    try:
        wait_until_served(port, web)
        told = Told()
        killing = [
            threading.Timer(seconds / 3, os.kill, (redis.process.pid, signal.SIGKILL)),
            threading.Timer(2 * seconds / 3, worker.kill),
        ]
        for timer in killing:
            timer.start()
        before_s = processor_s(web.pid)
        spent_s = sent(told, port, key, rate, seconds)
        web_s = processor_s(web.pid) - before_s
    finally:
        for process in (web, worker, redis.process):
            process.kill()
            process.wait()
    # Another program on the machine changes rates, but hardly what a request costs.
    return counted(told, spent_s, rate) | {"web_processor_ms_each": round(1000 * web_s / len(told.took_s), 2)}


def prepared_site() -> str:
    """A site with items, and its secret key."""
    from django.contrib.auth.models import User

    from recommender.item_content import checked_content
    from recommender.items import put_items
    from recommender.site_keys import create_site_key
    from recommender.sites import create_site

    shop = create_site(User.objects.create_user("bench"), "bench")
    put_items(shop, {f"item-{n}": checked_content({"title": f"Thing {n}"}) for n in range(ITEMS)})
    return create_site_key(shop, kind="secret", name="bench").token


def started(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def processor_s(pid: int) -> float:
    """Processor time that a process and its children have used, in seconds."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(used.user + used.system for used in (each.cpu_times() for each in family))


def sent(told: Told, port: int, key: str, rate: float, seconds: float) -> float:
    """Send at a steady rate from several pages, and ask for recommendations beside; seconds that it took."""
    began = time.monotonic()
    senders = [
        threading.Thread(target=send, args=(told, port, key, number, rate / SENDERS, seconds))
        for number in range(SENDERS)
    ]
    asker = threading.Thread(target=ask, args=(told, port, key, seconds))
    for thread in (*senders, asker):
        thread.start()
    for thread in (*senders, asker):
        thread.join()
    return time.monotonic() - began


def send(told: Told, port: int, key: str, number: int, rate: float, seconds: float) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    began = time.monotonic()
    for sequence in range(int(rate * seconds)):
        time.sleep(max(0.0, began + sequence / rate - time.monotonic()))
        name = f"{number}-{sequence}"
        line = {
            "visitor": f"v{sequence % 97}",
            "kind": "click",
            "item": f"item-{sequence % ITEMS}",
            "key": name,
        }
        asked = time.perf_counter()
        status = answered(connection, "POST", "/api/v1/interactions", key, json.dumps(line))
        if status == 202:
            told.acknowledged.append(name)
            told.took_s.append(time.perf_counter() - asked)
        else:
            told.failed.append(str(status))


def ask(told: Told, port: int, key: str, seconds: float) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until:
        number += 1
        asked = time.perf_counter()
        if answered(connection, "GET", f"/api/v1/recommendations?visitor=v{number % 97}", key) == 200:
            told.asked_s.append(time.perf_counter() - asked)
        time.sleep(ASKING_EVERY_S)


def answered(
    connection: http.client.HTTPConnection, method: str, path: str, key: str, body: str | None = None
) -> int | str:
    """The status, or the name of the error; the connection is opened anew after one."""
    try:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return type(error).__name__


def counted(told: Told, spent_s: float, rate: float) -> dict[str, Any]:
    from recommender.models import Interaction

    kept = set(Interaction.objects.values_list("key", flat=True))
    return {
        "asked_per_s": rate,
        "accepted_per_s": round(len(told.acknowledged) / spent_s, 1),
        "accepted": len(told.acknowledged),
        "lost": len(set(told.acknowledged) - kept),
        "not_acknowledged": len(told.failed),
        "p50_ms": milliseconds(told.took_s, 50),
        "p95_ms": milliseconds(told.took_s, 95),
        "recommendations_answered": len(told.asked_s),
        "recommendations_p50_ms": milliseconds(told.asked_s, 50),
        "cores": len(os.sched_getaffinity(0)),
    }


def milliseconds(took_s: list[float], percent: int) -> float | None:
    if len(took_s) < 2:
        return None
    return round(1000 * statistics.quantiles(took_s, n=100)[percent - 1], 1)


if __name__ == "__main__":
    sys.exit(main())
