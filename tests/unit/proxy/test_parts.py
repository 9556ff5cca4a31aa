"""The small parts: poller, pipes, channel, balancer's memory of failures."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket

import pytest

from podyard.process.clock import FakeClock
from podyard.proxy.balancer import FIRST_REST_SECONDS, LONGEST_REST_SECONDS, Balancer
from podyard.proxy.channel import MOST_DESCRIPTORS, DescriptorsLost, Receiver, Sender
from podyard.proxy.descriptors import Descriptors
from podyard.proxy.pipes import PipePool
from podyard.proxy.poller import LEVEL_IN, Poller
from podyard.proxy.sockets import shut_writing
from podyard.proxy.table import Endpoint, Rule


def test_a_descriptor_closed_in_a_batch_is_not_reused_in_it() -> None:
    """Else a new connection would be handed the event of the one whose number it got."""
    poller = Poller()
    pairs = [socket.socketpair() for _ in range(2)]
    numbers = [ours.detach() for ours, _ in pairs]
    handled: list[int] = []
    opened: list[socket.socket] = []

    def close_both(descriptor: int) -> None:
        handled.append(descriptor)
        for number in numbers:
            poller.close(number)
        opened.extend(socket.socketpair())
        for sock in opened:
            poller.watch(sock.fileno(), lambda events: handled.append(-1))

    for number, (_, theirs) in zip(numbers, pairs, strict=True):
        poller.watch(number, lambda _, number=number: close_both(number))  # type: ignore[misc]
        theirs.send(b"x")
    poller.turn(0)
    assert len(handled) == 1
    assert not {sock.fileno() for sock in opened} & set(numbers)
    assert socket.socketpair()[0].fileno() in numbers  # now they are free
    poller.shut()


def test_a_handler_that_fails_does_not_stop_the_others() -> None:
    poller = Poller()
    ours, theirs = socket.socketpair()
    seen: list[int] = []

    def fail(_events: int) -> None:
        seen.append(1)
        raise ValueError

    poller.watch(ours.fileno(), fail, LEVEL_IN)
    poller.again(lambda: seen.append(2))
    theirs.send(b"x")
    poller.turn(0)
    assert seen == [1, 2]
    poller.forget(ours.fileno())


def test_timers_fire_in_order_and_can_be_cancelled() -> None:
    poller = Poller()
    fired: list[str] = []
    poller.call_later(0.2, lambda: fired.append("second"))
    poller.call_later(0.001, lambda: fired.append("first"))
    poller.call_later(0, lambda: fired.append("never")).cancel()
    while len(fired) < 2:
        poller.turn(1)
    assert fired == ["first", "second"]


def test_room_is_told_of_when_asked_for() -> None:
    poller = Poller()
    ours, _theirs = socket.socketpair()
    seen: list[int] = []
    poller.watch(ours.fileno(), seen.append)
    poller.turn(0)
    assert seen == []
    poller.watch_room(ours.fileno())
    poller.turn(0)
    assert seen == [select.EPOLLOUT]
    poller.forget(ours.fileno())


def test_a_pipe_with_bytes_in_it_is_never_handed_out_again() -> None:
    """They are another client's."""
    descriptors = Descriptors(4096, FakeClock())
    pool = PipePool(descriptors)
    pipe = pool.take()
    assert pipe is not None
    os.write(pipe.write_end, b"secret")
    pipe.filled = 6
    pool.give(pipe)
    again = pool.take()
    assert again is not None and again is not pipe
    os.set_blocking(again.read_end, False)
    try:
        assert os.read(again.read_end, 100) == b"no byte, not even an end"
    except BlockingIOError:
        pass
    pool.give(again)
    assert pool.take() is again
    pool.give(again)
    pool.close()


def test_a_second_shutdown_is_no_failure() -> None:
    """The peer is gone (ENOTCONN): no reason to cut the other direction."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        accepted.close()
        shut_writing(client.fileno())
        shut_writing(client.fileno())
        assert client.fileno() >= 0
        client.close()


def test_the_channel_keeps_messages_and_descriptors_together() -> None:
    one, other = socket.socketpair()
    for sock in (one, other):
        sock.setblocking(False)
    sender, receiver = Sender(one), Receiver(other)
    sent = [os.urandom(size) for size in (1, 500_000, 3, 70_000)]
    files = [socket.socketpair()[0] for _ in range(150)]
    for number, message in enumerate(sent):
        sender.put(message, files if number == 2 else ())
    found: list[tuple[bytes, int]] = []
    while len(found) < len(sent):
        sender.flush()
        for message, descriptors in receiver.take() or ():
            found.append((message, len(descriptors)))
            for descriptor in descriptors:
                os.close(descriptor)
    assert found == [(sent[0], 0), (sent[1], 0), (sent[2], 150), (sent[3], 0)]
    assert sender.empty
    one.close()
    assert receiver.take() is None


ONE: Endpoint = ("127.200.1.1", 80)
TWO: Endpoint = ("127.200.1.2", 80)


def picks(balancer: Balancer, number: int = 6) -> set[Endpoint | None]:
    return {balancer.pick("127.0.0.1") for _ in range(number)}


def test_sockets_without_descriptors_for_them_are_noticed() -> None:
    ours, theirs = socket.socketpair()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ours, theirs:
        sender, receiver = Sender(ours), Receiver(theirs)
        sender.put("message", [ours] * MOST_DESCRIPTORS)
        assert sender.flush()
        filled: list[int] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (theirs.fileno() + 100, limits[1]))
        try:
            with contextlib.suppress(OSError):
                while True:
                    filled.append(os.dup(theirs.fileno()))
            with pytest.raises(DescriptorsLost):
                receiver.take()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for descriptor in filled:
                os.close(descriptor)


def test_an_endpoint_that_keeps_failing_is_tried_less() -> None:
    clock = FakeClock()
    balancer = Balancer(Rule(("default", "web"), "", "", (ONE, TWO)), clock)
    assert picks(balancer) == {ONE, TWO}
    rest = FIRST_REST_SECONDS
    while rest < LONGEST_REST_SECONDS:
        balancer.failed(ONE)
        assert picks(balancer) == {TWO}
        clock.advance(rest - 0.01)
        assert picks(balancer) == {TWO}
        clock.advance(0.02)
        rest = min(rest * 2, LONGEST_REST_SECONDS)
        assert picks(balancer) == {ONE, TWO}
        assert picks(balancer) == {TWO}, "one tries it for all"
    balancer.succeeded(ONE)
    assert picks(balancer) == {ONE, TWO}
    balancer.failed(ONE)
    clock.advance(FIRST_REST_SECONDS)
    assert picks(balancer) == {ONE, TWO}


def test_connects_that_fail_together_count_once() -> None:
    clock = FakeClock()
    balancer = Balancer(Rule(("default", "web"), "", "", (ONE, TWO)), clock)
    for _ in range(20):
        balancer.failed(ONE)
    clock.advance(FIRST_REST_SECONDS)
    assert picks(balancer) == {ONE, TWO}


def test_when_all_fail_all_are_tried() -> None:
    balancer = Balancer(Rule(("default", "web"), "", "", (ONE, TWO)), FakeClock())
    balancer.failed(ONE)
    balancer.failed(TWO)
    assert picks(balancer) == {ONE, TWO}
    assert balancer.pick_other("127.0.0.1", (ONE,)) == TWO
    assert balancer.pick_other("127.0.0.1", (ONE, TWO)) is None


def test_a_client_leaves_a_failing_endpoint_for_good() -> None:
    clock = FakeClock()
    balancer = Balancer(Rule(("default", "web"), "", "", (ONE, TWO), affinity_seconds=60), clock)
    first = balancer.pick("127.0.0.9")
    assert first is not None
    balancer.failed(first)
    second = balancer.pick_other("127.0.0.9", (first,))
    assert second != first
    clock.advance(LONGEST_REST_SECONDS)
    assert balancer.pick("127.0.0.9") == second


def test_an_endpoint_that_is_gone_is_suspected() -> None:
    """Who waits for it shall not wait long."""
    balancer = Balancer(Rule(("default", "web"), "", "ClusterIP", (ONE, TWO)), FakeClock())
    assert not balancer.is_suspected(ONE)
    balancer.update(Rule(("default", "web"), "", "ClusterIP", (TWO,)))
    assert balancer.is_suspected(ONE)


def test_a_failed_endpoint_that_is_gone_is_forgotten() -> None:
    balancer = Balancer(Rule(("default", "web"), "", "", (ONE, TWO)), FakeClock())
    balancer.failed(ONE)
    balancer.update(Rule(("default", "web"), "", "", (TWO,)))
    balancer.failed(ONE)
    balancer.update(Rule(("default", "web"), "", "", (ONE, TWO)))
    assert picks(balancer) == {ONE, TWO}
