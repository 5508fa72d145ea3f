"""Bodies of commits as they are stored."""

from hypothesis import given
from hypothesis import strategies as st
from scrip.ledger.v1 import events_pb2 as pb

from services.runtime.packing import PACKED_BYTES_LEAST, pack, unpack


@given(st.binary(max_size=100), st.integers(0, 400))
def test_what_is_packed_comes_back(piece: bytes, times: int) -> None:
    """Whatever its size; large ones of little content take less room."""
    body = b"\x08" + piece * times
    assert unpack(pack(body)) == body
    assert (pack(body) == body) == (len(body) < PACKED_BYTES_LEAST)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
def test_a_batch_is_never_taken_for_a_compressed_one(shard: int, seq: int) -> None:
    """Old rows are bare batches; the first of their fields that is set tells them apart."""
    batch = pb.EventBatch(shard=shard, seq=seq, previous_hash=bytes.fromhex("28b52ffd"), writer="x")
    body = batch.SerializeToString()
    assert unpack(body) == body


def test_a_damaged_body_comes_back_as_it_is() -> None:
    """It fits no hash, which is where damage is told."""
    stored = pack(bytes(5_000))
    assert unpack(stored[:-3]) == stored[:-3]
