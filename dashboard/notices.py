"""What a page says instead of its content: what is empty, what is away, what was not understood.

Every sentence says what to do next. Words that are not ours are shown by st.text or st.code only.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
import structlog

from mmsvault.catalog.people import Person
from mmsvault.errors import (
    ForbiddenError,
    NotFoundError,
    RefusedError,
    RejectedInputError,
    SearchError,
    UnavailableError,
)
from mmsvault.settings import Settings

log = structlog.get_logger(__name__)

_SAID = "what came of it"


@contextmanager
def spoken() -> Iterator[None]:
    """Say an error of the vault in plain words on the page."""
    try:
        yield
    except SearchError as error:
        search_mistake(error)
    except ForbiddenError as error:
        forbidden(error)
    except (RefusedError, RejectedInputError) as error:
        st.text(str(error))
    except NotFoundError:
        st.info("The archive does not hold this. It may have been deleted, or the link is not whole.")
    except UnavailableError as error:
        log.warning("page_not_shown", reason=str(error))
        st.warning(
            "The archive cannot be read just now: its catalog or its bucket is away. Messages are "
            "still received and kept in the queue. This page shows them again as soon as both are back."
        )


def say_next(said: str) -> None:
    """Have the next run of the page say what came of a button: what is drawn now is drawn anew by then."""
    st.session_state[_SAID] = said


def say_kept() -> None:
    """Say it, once."""
    if said := st.session_state.pop(_SAID, None):
        with st.container(border=True):
            st.text(said)


def forbidden(error: ForbiddenError) -> None:
    """Say that somebody may not see this, or has to log in again."""
    st.text(str(error))
    if error.is_signed_out:
        st.html('<p><a href="login" target="_self">Log in</a></p>')
    else:
        st.caption("An admin gives roles, on the page Settings.")
        st.html('<p><a href="." target="_self">Back to the gallery</a></p>')


def search_mistake(error: SearchError) -> None:
    """Point at the mistake in a search."""
    with st.container(border=True):
        st.markdown("**This search was not understood**")
        st.text(error.problem)
        st.code(f"{error.query}\n{'^'.rjust(error.position + 1)}", language=None)
        if error.correction and "query" in st.session_state:
            st.button(
                "Search for this instead", key="correction", on_click=_search_for, args=(error.correction,)
            )
            st.code(error.correction, language=None)


def _search_for(query: str) -> None:
    st.session_state["query"] = query


def empty_vault(person: Person, settings: Settings) -> None:
    """Tell a new owner how the first message comes in."""
    if person.scope:
        st.info("No message that you may see has arrived yet.")
        return
    with st.container(border=True):
        st.markdown("**No message has arrived yet**")
        st.text("Give your provider this address for postbacks; messages appear here by themselves:")
        port = settings.receiver_port
        st.code(f"http://{settings.receiver_host}:{port}/postbacks/sinch/TOKEN", language=None)
        st.text(
            "Write the public name of your receiver for the first part, and for TOKEN the value of "
            "MMSVAULT_POSTBACK_TOKEN, or postback_token in generated.json of the data directory."
        )
        st.text("Or fill a vault with sample messages of every kind:")
        st.code("make demo", language=None)


def no_message_chosen() -> None:
    """Say how a message page gets its message."""
    st.info("No message is chosen. Open one from the gallery: every message has an address of its own.")
