"""The two hot requests as FastAPI and asyncpg do them, one statement each: create a user with its event, verify a key."""

import hashlib
import os
import uuid
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

CREATE = """WITH made AS (
    INSERT INTO peer_users (org_id, user_id, first_name, last_name, email, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, now(), now()) ON CONFLICT DO NOTHING RETURNING user_id
)
INSERT INTO peer_events (org_id, id, type, body, created_at)
SELECT $1, gen_random_uuid(), 'user.created', json_build_object('user_id', user_id)::text, now() FROM made RETURNING 1"""
VERIFY = "SELECT org_id FROM peer_keys WHERE digest = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())"


@asynccontextmanager
async def lifespan(app):
    app.state.pool = await asyncpg.create_pool(os.environ["PEER_DSN"], min_size=8, max_size=8)
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)


class NewUser(BaseModel):
    user_id: uuid.UUID
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None


@app.post("/v1/users", status_code=201)
async def create_user(user: NewUser, request: Request, orgid: Annotated[uuid.UUID, Header()]):
    made = await request.app.state.pool.fetchval(CREATE, orgid, user.user_id, user.first_name, user.last_name, user.email)
    return {"user_id": user.user_id} if made else JSONResponse({"error": "user_already_exists"}, 409)


@app.get("/internal/auth/verify")
async def verify(request: Request, taih_tenant_key: Annotated[str, Header()]):
    org_id = await request.app.state.pool.fetchval(VERIFY, hashlib.sha256(taih_tenant_key.encode()).digest())
    return Response(status_code=200, headers={"OrgId": str(org_id)}) if org_id else Response(status_code=401)
