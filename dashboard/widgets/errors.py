"""Around each page: an error becomes a sentence that says what to do, never a traceback."""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from compute.runtime.batches import is_out_of_memory
from dashboard.jobs.queue import OUT_OF_MEMORY

log = logging.getLogger(__name__)


@contextmanager
def boundary() -> Iterator[None]:
    """ValueErrors are for people and shown, and so is a device whose memory is used up; others are logged,
    and shown by their number in the log."""
    try:
        yield
    except ValueError as error:
        st.error(sentence(error), icon=":material/error:")
    except Exception as error:
        if is_out_of_memory(error):
            st.error(sentence(ValueError(OUT_OF_MEMORY)), icon=":material/memory:")
            return
        name = uuid.uuid4().hex[:8]
        log.exception("page failed, error %s", name)
        st.error(
            f"Something went wrong in the program. The server's log has it as error {name}. The rest of the "
            "dashboard goes on; reload the page, or go to another one.",
            icon=":material/bug_report:",
        )


def sentence(error: Exception) -> str:
    """An error's text as a sentence."""
    text = str(error).strip() or type(error).__name__
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
