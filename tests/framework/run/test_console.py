import logging

import pytest

from framework.run.console import console_logging


def test_what_is_logged_acts_on_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("framework.data")
    with console_logging():
        logger.info("data %s\n\tand more", "a\x1b[2J\u202e")
        logger.warning("\x9b left out")
    assert capsys.readouterr() == ("data a\\x1b[2J\\u202e\n\tand more\n", "\\x9b left out\n")
