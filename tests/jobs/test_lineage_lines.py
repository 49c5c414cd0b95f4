"""What hanji lineage prints."""

from __future__ import annotations

from hanji.jobs.commands.lineage import _aligned


def test_columns_never_run_into_each_other() -> None:
    long = "[1234567, 1242759) of 90000000"
    lines = _aligned(
        [("sample", "its tokens", "source"), ("7", long, "blogs-ko"), ("10", "[0, 3)", "x")], "><<"
    )
    assert [line.split("  ") for line in lines][1][-2:] == [long, "blogs-ko"]
    assert lines[0].index("source") == lines[1].index("blogs-ko") == lines[2].index("x")
    assert not any(line != line.rstrip() for line in lines)
