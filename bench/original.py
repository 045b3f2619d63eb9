"""The original's two routes, as it has them: FastAPI on uvicorn, with an agent that echoes. Nothing is
stored, nothing is checked beyond what the original checks."""
import json
import sys
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

app = FastAPI(docs_url=None, redoc_url=None)


@app.get("/health")
async def health():
    return {"status": "ok", "agent": "echo"}


async def arun(text):
    return text


@app.post("/run")
async def run(request: Request):
    body = json.loads(await request.body())
    content = await arun(body.get("input", ""))
    return JSONResponse({"content": content, "session_id": body.get("session_id") or str(uuid4()),
                         "run_id": str(uuid4())})


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="error",
            access_log=False)
