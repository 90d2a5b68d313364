"""Scenarios 09 to 18, in the mode by default alone: a file each, routes and statements together."""

from fastapi import APIRouter

from . import aggregation, auth, bulk, cached, n_plus_one, pages, search, transactions

router = APIRouter()
for family in (pages, n_plus_one, bulk, transactions, cached, auth, aggregation, search):
    router.include_router(family.router)
