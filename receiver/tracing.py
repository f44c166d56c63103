"""Where traces are asked for: each receipt begins one, which it carries to the worker."""

from mmsvault.message import Receipt, TracedReceipt
from mmsvault.queueing.intake import Intake
from mmsvault.steps import begun


class TracedIntake(Intake):
    """An intake with a span for each receipt, from when it was received to when it is kept."""

    async def keep(self, receipt: Receipt) -> None:
        """Return once the receipt is on the disk. Raises UnavailableError where it may not be."""
        with begun("postback", at=receipt.received_at, receipt=receipt.id) as trace:
            await super().keep(TracedReceipt.model_construct(**dict(receipt), trace=trace))
