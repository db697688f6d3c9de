"""What is wrong with a database."""

from bandit_service.errors.families import BadStore


class NewerSchema(BadStore):
    def __init__(self, found: str) -> None:
        super().__init__(
            f"the database has schema {found!r}, which this version does not know; "
            "use the version of bandit-service that made it",
            found=found,
        )


class OlderSchema(BadStore):
    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(
            f"the database has schema {found!r}, this version needs {wanted!r}; "
            "run `bandit-service migrate`",
            found=found,
            wanted=wanted,
        )


class ForeignDatabase(BadStore):
    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} holds tables of something else; name an empty database", where=where
        )


class DamagedDatabase(BadStore):
    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} cannot be read as a database: {why}", where=where)


class RefusedByDatabase(BadStore):
    """It is there, and does not let us do what we have to: wrong credentials, no such
    database, missing rights, read-only, full."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where} refuses: {why}", where=where)


class BrokenJournal(BadStore):
    def __init__(self, policy_id: int, position: int) -> None:
        super().__init__(
            f"the journal of policy {policy_id} cannot be read at position {position}; "
            "restore the database from a copy",
            policy=policy_id,
            position=position,
        )
        self.policy_id = policy_id


class LostBeginning(BrokenJournal):
    """What retention has let go is in checkpoints only, and none of them is of use."""

    def __init__(self, policy_id: int, policy: str, position: int) -> None:
        BadStore.__init__(
            self,
            f"the journal of policy {policy!r} does not have position {position} any more, and "
            "none of its checkpoints can be used; start the version of bandit-service that made "
            "them, or restore the database from a copy",
            policy=policy_id,
            position=position,
        )
        self.policy_id = policy_id


class BadCheckpoint(BadStore):
    """Never loaded: an older checkpoint and a longer tail of the journal take its place."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the checkpoint cannot be used: {why}", why=why)
        self.why = why
