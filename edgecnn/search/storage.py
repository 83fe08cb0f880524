"""Storage of trials: Optuna's tables, in the results database."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgecnn.errors import InputError
from edgecnn.registry import require
from edgecnn.store import address as place
from edgecnn.store import open_database

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

_TABLES = ("studies", "trials", "trial_params", "trial_values")


def open_storage(address: str | None = None) -> RDBStorage:
    """Optuna's storage in the database at `address`, EDGECNN_DB or the default file.

    Raises InputError for a database of something else, MissingDependencyError without the extra,
    DatabaseError for one that cannot be reached.
    """
    require("optuna", "search")
    with open_database(address):
        pass  # made, brought up to date, and found to be one of ours
    import optuna
    import sqlalchemy as sa
    from optuna.storages import RDBStorage

    from edgecnn.store.sql import opening

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    where = place.find(address)
    with translated(where.safe_address):
        engine = opening.engine_for(where)
        try:
            with opening.reading(engine, where.safe_address) as connection:
                _refuse_strangers(set(sa.inspect(connection).get_table_names()), where.safe_address)
        finally:
            engine.dispose()
        options: dict[str, Any] = {"hide_parameters": True}
        if where.path is not None:
            options["connect_args"] = {"timeout": opening.BUSY_SECS}
        else:
            options["pool_pre_ping"] = True
        storage = RDBStorage(where.url.render_as_string(hide_password=False), engine_kwargs=options)
    if where.path is not None:
        opening.lock_early(storage.engine)
    return storage


@contextmanager
def translated(safe_address: str) -> Iterator[None]:
    """Errors of Optuna and of the database as lines for people, without values or addresses."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    from edgecnn.store.sql.opening import DatabaseError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna marks half of its arguments experimental
            yield
    except (StorageInternalError, SQLAlchemyError) as error:
        cause = getattr(error.__cause__ or error, "orig", None) or error.__cause__ or error
        raise DatabaseError(
            f"cannot use the database {safe_address}: {type(cause).__name__}",
            hint="check that it runs and may be written; the same command resumes",
        ) from None
    except RuntimeError as error:
        if "table schema" not in str(error):
            raise
        raise InputError(
            f"{safe_address}: its trials were written by another version of Optuna",
            hint="run `optuna storage upgrade`, or set EDGECNN_DB to another database",
        ) from None


def _refuse_strangers(names: set[str], safe_address: str) -> None:
    strangers = names.intersection(_TABLES)
    if strangers and "version_info" not in names:
        raise InputError(
            f"{safe_address}: holds tables of something else: {', '.join(sorted(strangers))}",
            hint="set EDGECNN_DB to a database of edgecnn's own",
        )
