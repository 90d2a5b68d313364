"""11: many rows, by a commit for each of them and by one for all."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import IntegrityError

from common import store

from .tables import BulkItem

router = APIRouter(prefix="/bulk-operations")

# Whose rows they are.
USER = 1
Count = Annotated[int, Query(ge=1, le=10_000)]

INSERT = text("""
    WITH written AS (
      INSERT INTO bulk_items (user_id, value)
      SELECT :user_id, value FROM unnest(CAST(:values AS bigint[])) AS value
      RETURNING value
    )
    SELECT count(*) AS count, CAST(sum(value) AS bigint) AS sum FROM written
""")


class Written(BaseModel):
    count: int
    sum: int


class Deleted(BaseModel):
    count: int


def written(values: list[int]) -> dict[str, int]:
    return {"count": len(values), "sum": sum(values)}


def nobody() -> HTTPException:
    return HTTPException(404, "the user whose rows they would be is not there")


def items(count: int) -> list[BulkItem]:
    return [BulkItem(user_id=USER, value=value) for value in range(1, count + 1)]


@router.post("/insert-individual", response_model=Written)
async def insert_individual(count: Count = 1000) -> Any:
    made = items(count)
    async with store.session() as session:
        try:
            for item in made:
                session.add(item)
                await session.commit()
        except IntegrityError:
            raise nobody() from None
    return written([item.value for item in made])


@router.post("/insert-batch", response_model=Written)
async def insert_batch(count: Count = 1000) -> Any:
    """The unit of work has 1,000 rows in an INSERT, as the engine's `insertmanyvalues_page_size` says."""
    made = items(count)
    async with store.session() as session:
        session.add_all(made)
        try:
            await session.commit()
        except IntegrityError:
            raise nobody() from None
    return written([item.value for item in made])


@router.post("/insert-raw", response_model=Written)
async def insert_raw(count: Count = 1000) -> Any:
    values = {"user_id": USER, "values": list(range(1, count + 1))}
    async with store.session() as session:
        try:
            row = (await session.execute(INSERT, values)).mappings().one()
        except IntegrityError:
            raise nobody() from None
        await session.commit()
    return row


@router.post("/update-individual", response_model=Written)
async def update_individual(count: Count = 1000) -> Any:
    # Postgres adds, so no other client's addition is lost.
    one_more = update(BulkItem).values(value=BulkItem.value + 1).returning(BulkItem.value)
    values = []
    async with store.session() as session:
        ids = (await session.scalars(select(BulkItem.id).order_by(BulkItem.id).limit(count))).all()
        for item_id in ids:
            value = await session.scalar(one_more.where(BulkItem.id == item_id))
            await session.commit()
            # Unless it was deleted meanwhile.
            if value is not None:
                values.append(value)
    return written(values)


@router.post("/update-bulk", response_model=Written)
async def update_bulk(count: Count = 1000) -> Any:
    # Locked in order: otherwise two of these might wait for each other.
    first = select(BulkItem.id).order_by(BulkItem.id).limit(count).with_for_update()
    change = update(BulkItem).where(BulkItem.id.in_(first)).values(value=BulkItem.value + 1)
    async with store.session() as session:
        values = await session.scalars(
            change.returning(BulkItem.value).execution_options(synchronize_session=False)
        )
        answer = written(list(values))
        await session.commit()
    return answer


@router.delete("/cleanup", response_model=Deleted)
async def cleanup() -> Any:
    async with store.session() as session:
        deleted = await session.execute(delete(BulkItem), execution_options={"synchronize_session": False})
        await session.commit()
    return {"count": deleted.rowcount}
