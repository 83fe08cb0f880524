from __future__ import annotations

from types import SimpleNamespace

from tests import schedule


def test_every_file_that_goes_first_exists_and_stands_there_once():
    assert [name for name in schedule.LONGEST if not (schedule.TESTS / name).is_file()] == []
    assert len(set(schedule.LONGEST)) == len(schedule.LONGEST)


def test_the_longest_go_first_and_the_others_keep_their_order():
    one, other = schedule.LONGEST[:2]
    names = ("unit/b.py", other, "unit/a.py", one)
    items = [SimpleNamespace(path=schedule.TESTS / name) for name in names]
    schedule.longest_first(items)
    found = [str(item.path.relative_to(schedule.TESTS)) for item in items]
    assert found == [one, other, "unit/b.py", "unit/a.py"]
