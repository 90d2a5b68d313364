"""HTTP, and nothing else: each route hands over to the service and answers with a schema that is checked."""

from typing import Annotated

from fastapi import APIRouter, Depends, UploadFile

from common import UserId, asked_elsewhere, request_id, token

from .repository import StoredUsers
from .schemas import (
    EchoRequest,
    EchoResponse,
    ExternalData,
    ExternalResponse,
    HealthResponse,
    ProtectedResponse,
    UploadResponse,
    UserRequest,
    UserResponse,
)
from .service import UserService

router = APIRouter()


def users_of_store() -> StoredUsers:
    return StoredUsers()


def user_service(users: Annotated[StoredUsers, Depends(users_of_store)]) -> UserService:
    return UserService(users)


Service = Annotated[UserService, Depends(user_service)]


@router.get("/health")
async def health() -> HealthResponse:
    return HealthResponse(status="ok", server="fastapi")


@router.post("/echo")
async def echo(sent: EchoRequest) -> EchoResponse:
    return EchoResponse(message=sent.message, data=sent.data)


@router.get("/users")
async def list_users(service: Service) -> list[UserResponse]:
    return [UserResponse.model_validate(user) for user in await service.list_users()]


@router.post("/users", status_code=201)
async def register_user(sent: UserRequest, service: Service) -> UserResponse:
    return UserResponse.model_validate(await service.register_user(sent.name, sent.email))


@router.get("/users/{user_id}")
async def find_user(user_id: UserId, service: Service) -> UserResponse:
    return UserResponse.model_validate(await service.find_user(user_id))


@router.put("/users/{user_id}")
async def change_user(user_id: UserId, sent: UserRequest, service: Service) -> UserResponse:
    return UserResponse.model_validate(await service.change_user(user_id, sent.name, sent.email))


@router.delete("/users/{user_id}", status_code=204)
async def remove_user(user_id: UserId, service: Service) -> None:
    await service.remove_user(user_id)


@router.get("/external")
async def external() -> ExternalResponse:
    latency_ms = await asked_elsewhere()
    return ExternalResponse(source="external", latency_ms=latency_ms, data=ExternalData(status="ok"))


@router.get("/protected", dependencies=[Depends(token), Depends(request_id)])
async def protected() -> ProtectedResponse:
    return ProtectedResponse(message="Access granted", user="bearer")


@router.post("/upload")
async def upload(file: UploadFile) -> UploadResponse:
    content = await file.read()
    return UploadResponse(filename=file.filename, size=len(content), content_type=file.content_type)
