"""The HTTP that a bot speaks: ``/bot<token>/<method>`` and ``/file/bot<token>/<path>``."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.playground.errors import Refused, bad_request
from bot.playground.faults import Fault, FaultPlan
from bot.playground.methods import call, full_name
from bot.playground.parameters import Parameters, Upload
from bot.playground.record import RequestRecord
from bot.playground.world import World

Json = dict[str, Any]

CONFLICT_CODE = 409
MOMENT = 0.05  # seconds in which a closed connection is noticed


@dataclass
class BotSide:
    """Serves one bot's requests from a World, with the ordered faults, and logs them."""

    world: World
    token: str
    strict: bool
    faults: FaultPlan = field(default_factory=FaultPlan)
    requests: list[RequestRecord] = field(default_factory=list)

    def routes(self) -> list[web.RouteDef]:
        """The routes under which a bot finds its API."""
        method = "/bot{token:[^/]+}/{method:[^/]+}"
        return [
            web.get(method, self.answer),
            web.post(method, self.answer),
            web.get("/file/bot{token:[^/]+}/{path:.+}", self.download),
        ]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One method call."""
        method = full_name(request.match_info["method"])
        began = time.monotonic()
        try:
            self._check_token(request)
            parameters = await read_parameters(request)
        except Refused as refused:
            return self._respond(method, Parameters({}, {}), refusal(refused), began)
        fault = self.faults.next_for(method)
        early = await self._before(fault)
        if early is not None:
            return self._respond(method, parameters, early, began, request, fault)
        try:
            result = await call(self.world, method, parameters, strict=self.strict)
            body: Json = {"ok": True, "result": result}
        except Refused as refused:
            body = refusal(refused)
            if refused.code == CONFLICT_CODE:
                # A bot that stops hangs up and polls once more at the same moment: see which.
                await asyncio.sleep(MOMENT)
        return self._respond(method, parameters, body, began, request, fault)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """A file's bytes, under a path that getFile handed out."""
        path = request.match_info["path"]
        parameters = Parameters({"path": path}, {})
        began = time.monotonic()
        try:
            self._check_token(request)
        except Refused as refused:
            return self._respond("download", parameters, refusal(refused), began)
        fault = self.faults.next_for("download")
        early = await self._before(fault)
        if early is not None:
            return self._respond("download", parameters, early, began, request, fault)
        stored = self.world.files.at_path(path)
        if stored is None:
            return self._respond("download", parameters, refusal(Refused(404, "Not Found")), began)
        self._respond("download", parameters, {"ok": True, "result": True}, began, request, fault)
        return web.Response(body=stored.content, content_type="application/octet-stream")

    def _check_token(self, request: web.Request) -> None:
        if request.match_info["token"] != self.token:
            raise Refused(401, "Unauthorized")

    async def _before(self, fault: Fault | None) -> Json | None:
        """What a fault answers in the method's place, None where the method goes on."""
        if fault is None or fault.kind == "drop_after":
            return None
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            return None
        if fault.kind == "flood":
            seconds = fault.retry_after
            return refusal(Refused(429, f"Too Many Requests: retry after {seconds}", seconds))
        if fault.kind == "server_error":
            return refusal(Refused(fault.status, "Bad Gateway"))
        return {"ok": False, "error_code": 0, "description": "the connection was dropped"}

    def _respond(
        self,
        method: str,
        parameters: Parameters,
        body: Json,
        began: float,
        request: web.Request | None = None,
        fault: Fault | None = None,
    ) -> web.Response:
        """Logs the request and makes its answer; a dropped connection swallows that answer."""
        dropped = fault is not None and fault.kind in ("drop_before", "drop_after")
        # A stopped bot leaves its last poll behind: nobody gets that answer either.
        dropped |= request is not None and request.transport is None
        status = 0 if dropped else 200 if body["ok"] else int(body["error_code"])
        text = json.dumps(body, ensure_ascii=False)
        self.requests.append(
            RequestRecord(
                method=method,
                params=parameters.values,
                files=parameters.files,
                status=status,
                response=json.loads(text),
                at=time.time(),
                took=time.monotonic() - began,
            )
        )
        if dropped and request is not None and request.transport is not None:
            request.transport.abort()
        return web.Response(text=text, status=status or 502, content_type="application/json")


def refusal(refused: Refused) -> Json:
    """Telegram's answer to a request that failed."""
    body: Json = {
        "ok": False,
        "error_code": refused.code,
        "description": refused.description,
    }
    if refused.retry_after is not None:
        body["parameters"] = {"retry_after": refused.retry_after}
    return body


async def read_parameters(request: web.Request) -> Parameters:
    """The parameters of a request, from its query and any body that Telegram accepts.

    Raises:
        Refused: the body is no JSON object.
    """
    values: Json = dict(request.query)
    files: dict[str, Upload] = {}
    if request.method != "POST":
        return Parameters(values, files)
    if request.content_type == "application/json":
        body = await request.read()
        try:
            sent = json.loads(body) if body.strip() else {}
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise bad_request("can't parse JSON object") from None
        if not isinstance(sent, dict):
            raise bad_request("object expected as request body")
        return Parameters(values | sent, files)
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            content = await asyncio.to_thread(value.file.read)
            value.file.close()
            files[name] = Upload(value.filename, value.content_type, content)
        elif isinstance(value, str):
            values[name] = value
    return Parameters(values, files)
