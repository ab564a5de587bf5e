"""Pasted lists of ids: hostile or merely untidy, each entry is taken or refused with a reason."""

import pytest

from latent_core.identifiers import read_ids

BIG = 2**63 - 1


@pytest.mark.parametrize(
    "text",
    [
        "4295806720 38655544960",
        "4295806720,38655544960;",
        "source_id\n4295806720\r\n38655544960\n",
        "Gaia DR3 4295806720\nGaia EDR3 38655544960",
        "['4295806720', \"38655544960\"]",
        "# my stars\n4295806720\t|\t38655544960",
        "gaia_dr3_4295806720 GaiaDR3 38655544960",
    ],
)
def test_any_separators_and_designations_are_read(text):
    found = read_ids(text, 100, "gaia_dr3")
    assert found.ids.tolist() == [4295806720, 38655544960]
    assert found.refused == ()


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("4295O6720", "'O' is not a digit"),
        ("-5", "'-' is not a digit"),
        ("٣٤", "is not a digit"),
        ("5.2e18", "lost its last digits"),
        ("9" * 25, "above 2^63 - 1"),
        (str(BIG + 1), "above 2^63 - 1"),
        ("<img/src=x>", "is not a digit"),
        ("Gaia DR2 4295806720", "identifier of DR2"),
        ("x" * 5000, "is not a digit"),
        ("\x00\x07", "is not a digit"),
    ],
)
def test_a_wrong_entry_is_refused_alone_with_its_line(entry, reason):
    found = read_ids(f"4295806720\n{entry}\n{BIG}", 100, "gaia_dr3")
    assert found.ids.tolist() == [4295806720, BIG]
    (refused,) = found.refused
    assert refused.line == 2
    assert reason in refused.reason
    assert len(refused.text) < 60
    assert refused.text.isprintable()
    assert len(refused.reason) < 250


def test_repeated_ids_are_taken_once_and_more_than_allowed_are_counted():
    found = read_ids("7 7 8 9 10 11", 3)
    assert (found.ids.tolist(), found.repeated, found.unread) == ([7, 8, 9], 1, 2)


def test_nothing_at_all_is_an_empty_list():
    for text in ("", " \n,;[]\n", "# only a comment", "source_id"):
        found = read_ids(text, 10)
        assert (len(found.ids), found.refused) == (0, ())
