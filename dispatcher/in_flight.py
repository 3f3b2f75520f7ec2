"""What one worker holds, in memory that outlives it.

The memory holds the leases, the deliveries in them that it began to send, and the lease that its code is processing. If the worker dies
or hangs, the supervisor reads here what may have been sent, and which lease is suspect.

    header   the slot of the lease that is being processed (-1: none)
    slots    SLOTS times: lease id, number of rows, event ids, revisions, and a byte per row: was its sending begun?

Written without system calls: an entry costs about 10 us a lease and 0.1 us a step, so it is affordable for every lease.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from array import array
from collections.abc import Collection, Coroutine, Generator, Iterable
from typing import Any, TypeVar

import msgspec

from dispatcher.models import ClaimedDelivery, Delivery

T = TypeVar("T")

SLOTS = 512
"""Leases that one worker can hold at once; pages that are never used take no memory."""
ROWS = 1024
"""The largest lease."""

_HEADER = struct.Struct("=q")
_LEASE = struct.Struct("=qq")
_IDS = _LEASE.size
_REVISIONS = _IDS + 8 * ROWS
_BEGUN = _REVISIONS + 2 * ROWS
_SLOT = _BEGUN + ROWS
_SIZE = _HEADER.size + SLOTS * _SLOT
NOTHING = -1
"""The slot of no lease."""


class HeldLease(msgspec.Struct, frozen=True):
    """A lease as the supervisor reads it: the rows (event id, revision) whose sending was begun, and whether it is suspect."""

    lease: int
    begun: list[tuple[int, int]]
    is_suspect: bool


class InFlight:
    """The table of one worker. The supervisor creates the memory, and hands it to the worker as a file descriptor."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._free = list(range(SLOTS))
        self.held: set[int] = set()
        """The leases that tasks of this process hold."""

    @classmethod
    def create(cls) -> tuple[InFlight, int]:
        """Return an empty table and the descriptor of its memory."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("outbox-in-flight")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, _SIZE)
        table = cls(mmap.mmap(descriptor, _SIZE))
        table._memory[: _HEADER.size] = _HEADER.pack(NOTHING)
        return table, descriptor

    @classmethod
    def attach(cls, descriptor: int) -> InFlight:
        """Return the table whose memory the supervisor created."""
        return cls(mmap.mmap(descriptor, _SIZE))

    @classmethod
    def private(cls) -> InFlight:
        """Return a table that nobody else reads."""
        memory = mmap.mmap(-1, _SIZE)
        memory[: _HEADER.size] = _HEADER.pack(NOTHING)
        return cls(memory)

    def enter(self, lease: int) -> Entry:
        """Note that the worker holds `lease`; its rows are noted when they are read, with `Entry.hold`."""
        slot = self._free.pop()
        self.held.add(lease)
        self._write(slot, lease, 0)
        return Entry(self, slot, lease)

    def read(self) -> list[HeldLease]:
        """Return what the worker holds; for the supervisor, once the worker is dead."""
        (working_on,) = _HEADER.unpack(self._memory[: _HEADER.size])
        return [self.read_slot(slot, is_suspect=slot == working_on) for slot in range(SLOTS) if self._lease(slot)[0]]

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()

    def read_slot(self, slot: int, *, is_suspect: bool = False) -> HeldLease:
        """Return the lease in `slot`."""
        lease, count = self._lease(slot)
        at = self._at(slot)
        ids, revisions = array("q"), array("h")
        ids.frombytes(self._memory[at + _IDS : at + _IDS + 8 * count])
        revisions.frombytes(self._memory[at + _REVISIONS : at + _REVISIONS + 2 * count])
        begun = self._memory[at + _BEGUN : at + _BEGUN + count]
        return HeldLease(
            lease,
            [row for row, is_begun in zip(zip(ids, revisions, strict=True), begun, strict=True) if is_begun],
            is_suspect,
        )

    def _lease(self, slot: int) -> tuple[int, int]:
        at = self._at(slot)
        lease, count = _LEASE.unpack(self._memory[at : at + _LEASE.size])
        return lease, count

    def _at(self, slot: int) -> int:
        return _HEADER.size + slot * _SLOT

    def hold(self, slot: int, lease: int, ids: array[int], revisions: array[int]) -> None:
        """Note the rows of the lease in `slot`; none of them is begun."""
        at, memory = self._at(slot), self._memory
        memory[at + _IDS : at + _IDS + 8 * len(ids)] = ids.tobytes()
        memory[at + _REVISIONS : at + _REVISIONS + 2 * len(ids)] = revisions.tobytes()
        memory[at + _BEGUN : at + _BEGUN + len(ids)] = bytes(len(ids))
        self._write(slot, lease, len(ids))

    def begin(self, slot: int, rows: Iterable[int]) -> None:
        """Note that the sending of these rows of the lease in `slot` begins."""
        at = self._at(slot) + _BEGUN
        for row in rows:
            self._memory[at + row] = 1

    def leave(self, slot: int) -> None:
        """Note that the lease in `slot` is not held any more."""
        self.held.discard(self._lease(slot)[0])
        self._write(slot, 0, 0)
        self._free.append(slot)

    def work_on(self, slot: int) -> None:
        """Note which lease is worked on from now on."""
        self._memory[: _HEADER.size] = _HEADER.pack(slot)

    def _write(self, slot: int, lease: int, count: int) -> None:
        at = self._at(slot)
        self._memory[at : at + _LEASE.size] = _LEASE.pack(lease, count)


class Entry:
    """One lease in the table, for the worker that holds it."""

    __slots__ = ("_index", "_lease", "slot", "table")

    def __init__(self, table: InFlight, slot: int, lease: int) -> None:
        self.table = table
        self.slot = slot
        self._lease = lease
        self._index: dict[tuple[int, int], int] = {}

    def hold(self, deliveries: Collection[ClaimedDelivery]) -> None:
        """Note the deliveries of the lease."""
        rows = [(each.event.id, each.revision) for each in deliveries]
        self._index = {row: number for number, row in enumerate(rows)}
        ids, revisions = array("q", [event_id for event_id, _ in rows]), array("h", [revision for _, revision in rows])
        self.table.hold(self.slot, self._lease, ids, revisions)

    def begin(self, deliveries: Iterable[Delivery | ClaimedDelivery]) -> None:
        """Note, before the request is made, that these may be sent from now on."""
        index = self._index
        self.table.begin(self.slot, [index[each.event.id, each.revision] for each in deliveries])

    def begun(self) -> list[tuple[int, int]]:
        """Return the rows (event id, revision) whose sending was begun."""
        return self.table.read_slot(self.slot).begun

    def leave(self) -> None:
        """Note that the lease is not held any more."""
        self.table.leave(self.slot)

    def working(self, work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        """Return `work` such that, whenever its code runs, the table says that this lease is worked on."""
        return _Working(self, work)


class _Working(Coroutine[Any, Any, T]):
    """A coroutine each of whose steps is noted."""

    __slots__ = ("_entry", "_work")

    def __init__(self, entry: Entry, work: Coroutine[Any, Any, T]) -> None:
        self._entry = entry
        self._work = work

    def send(self, value: Any) -> Any:
        """Run to the next suspension."""
        table = self._entry.table
        table.work_on(self._entry.slot)
        try:
            return self._work.send(value)
        finally:
            table.work_on(NOTHING)

    def throw(self, *error: Any) -> Any:
        """Run to the next suspension, from an error."""
        table = self._entry.table
        table.work_on(self._entry.slot)
        try:
            return self._work.throw(*error)
        finally:
            del error  # its traceback refers to this frame: both would stay until the garbage collector comes
            table.work_on(NOTHING)

    def close(self) -> None:
        """End it where it stands."""
        self._work.close()

    def __await__(self) -> Generator[Any, Any, T]:
        return self

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return self.send(None)
