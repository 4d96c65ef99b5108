from sandbox.reference import TARGET, markdown


def test_the_page_is_what_the_tables_say() -> None:
    assert TARGET.read_text() == markdown(), "run `python -m sandbox.reference`"
