"""Signals around a piece of code, in processes of their own."""

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.errors import StoppedError
from framework.run.signals import Stop

ROOT = Path(__file__).resolve().parents[3]
WAITING = """
import signal, sys, time
from framework.errors import StoppedError
from framework.run.signals import Stop
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))
before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
try:
    with Stop():
        print("ready", flush=True)
        try:
            time.sleep(1)
        except Exception:
            print("swallowed", flush=True)
        print("not stopped", flush=True)
except StoppedError as error:
    print(error, flush=True)
assert before == [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
print("alive", flush=True)
"""
OPENING_AND_CLOSING = """
import signal
from framework.errors import StoppedError
from framework.run.signals import Stop
def outside(number, frame):
    print("outside", flush=True)
signal.signal(signal.SIGTERM, outside)
signal.alarm(60)  # ends this process if a signal is lost
print("ready", flush=True)
while True:
    said = None
    try:
        with Stop():
            pass
    except StoppedError as error:
        said = error
    assert signal.getsignal(signal.SIGTERM) is outside
    if said:
        print(said, flush=True)
"""
ROUNDS = 200


def lines_after(number: signal.Signals, hangup: str = "SIG_DFL") -> list[str]:
    """What a process prints that gets a signal while it waits."""
    command = [sys.executable, "-c", WAITING, hangup]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return output.splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_an_error_that_no_except_exception_swallows_and_the_handlers_are_put_back(
    number: signal.Signals,
) -> None:
    assert lines_after(number) == [f"stopped by {number.name}", "alive"]


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    assert lines_after(signal.SIGHUP, "SIG_IGN") == ["not stopped", "alive"]
    assert lines_after(signal.SIGTERM, "SIG_IGN") == ["stopped by SIGTERM", "alive"]


def test_no_moment_of_entering_or_leaving_lets_another_error_out_or_loses_a_signal() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OPENING_AND_CLOSING], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        answers, draws = [], random.Random(0)
        for _ in range(ROUNDS):
            time.sleep(draws.random() / 2000)
            process.send_signal(signal.SIGTERM)
            answers.append(process.stdout.readline())  # the end of the file, if the process has ended
        process.kill()
    assert set(answers) == {"stopped by SIGTERM\n", "outside\n"}


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_an_ignored_hangup_stays_ignored_after_another_signal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.raises(StoppedError, match="SIGTERM"), Stop() as stop, stop.deferring():
            signal.raise_signal(signal.SIGTERM)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) == signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_a_thread_nothing_is_handled_and_nothing_fails() -> None:
    found: list[object] = []

    def work() -> None:
        with Stop() as stop, stop.deferring():
            found.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]


def test_deferred_signals_wait_for_the_check() -> None:
    with pytest.raises(StoppedError, match="stopped by SIGTERM$"), Stop() as stop, stop.deferring():
        signal.raise_signal(signal.SIGTERM)
        reached = True
    assert reached


def test_a_wait_is_ended_though_signals_are_deferred() -> None:
    reached = []

    def items() -> Iterator[int]:
        yield 0
        signal.raise_signal(signal.SIGTERM)
        reached.append("the end of the wait")
        yield 1

    with pytest.raises(StoppedError, match="stopped by SIGTERM$"), Stop() as stop, stop.deferring():
        reached.extend(stop.ending_waits(items()))
    assert reached == [0]
