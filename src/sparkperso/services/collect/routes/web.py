"""What browsers load: the SDK at /sdk/, and the pages of the demo. `make web` builds both."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from sparkperso.core.package import DATA
from sparkperso.services.http.problems import Problem

BUILT = DATA / "web"
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".txt": "text/plain"}


def sdk_routes() -> list[Route]:
    """Returns the route of the SDK, its recorder and its banner."""

    async def get_sdk(request: Request) -> Response:
        """Gives a file of the browser SDK."""
        response = built_file("sdk", request.path_params["name"])
        response.headers["Cache-Control"] = "public, max-age=3600"
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return [Route("/sdk/{name}", get_sdk)]


def built_file(folder: str, name: str) -> FileResponse:
    """Returns a built file; raises a 404 Problem, with the way to build them if there are none.

    Only names of the folder itself are known, so that no path leads out of it.
    """
    # Listed at each request: `make web` may run while the collector does.
    place = BUILT / folder
    files = (
        {path.name: path for path in place.iterdir() if path.is_file()} if place.is_dir() else {}
    )
    if not files:
        detail = "The browser's files are not built. Install node and npm, then run: make web."
        raise Problem(404, "not_built", detail)
    if name not in files:
        raise Problem(404, "no_route", f"There is no such file in {folder}/.")
    kind = TYPES.get(files[name].suffix, "application/octet-stream")
    return FileResponse(files[name], media_type=kind, headers={"X-Content-Type-Options": "nosniff"})
