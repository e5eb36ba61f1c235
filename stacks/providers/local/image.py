"""The image of an environment's hosts. Environments share images, so a current one is kept."""

from __future__ import annotations

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.schemas.base import CitadelModel
from providers.local.build import ensure_image
from providers.local.podman import inspect, podman
from providers.local.recipe import Flavour, reference
from providers.plugin import Found, Properties, Report, Resource


class ImageInputs(CitadelModel):
    """An image by the digest of its recipe."""

    flavour: Flavour
    reference: str


class Image(Resource[ImageInputs]):
    """Built by debootstrap and apt."""

    inputs = ImageInputs
    delete_first = False

    def create(self, inputs: ImageInputs, report: Report) -> tuple[str, Properties]:
        """Build it where this machine lacks it; see the base class."""
        built = ensure_image(inputs.flavour, report)
        if built != inputs.reference:
            raise CitadelError(
                f"the recipe of image {inputs.flavour} changed while it was made",
                next_step="Run the same command again.",
            )
        return built, {}

    def read(
        self,
        identity: str,
        inputs: ImageInputs,
        known: Properties,  # noqa: ARG002
    ) -> Found[ImageInputs] | None:
        """Return it when it is there; see the base class."""
        return Found(inputs, {}) if inspect("image", identity) is not None else None

    def delete(self, identity: str, inputs: ImageInputs) -> None:
        """Remove it when its recipe is out of date and nobody uses it; see the base class."""
        if identity == reference(inputs.flavour) or inspect("image", identity) is None:
            return
        users = podman("ps", "--all", "--quiet", "--filter", f"ancestor={identity}")
        if not users.strip():
            podman("image", "rm", identity)
