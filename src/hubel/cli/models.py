"""`hubel models`."""

from typing import Annotated

from cyclopts import Parameter

from hubel.options import ModelsOptions


def models(
    name: str | None = None,
    *,
    options: Annotated[ModelsOptions | None, Parameter(name="*")] = None,
) -> int:
    """List the networks, or show one: the table of its paper, and its drawing.

    Parameters
    ----------
    name
        A network; without it all are listed.
    """
    from hubel.cli.console import console, print_json
    from hubel.cli.network_tables import models_table, page_parts
    from hubel.errors import UsageError
    from hubel.workflows.models import draw, network_page, read
    from hubel.workflows.models import models as list_networks

    settings = options or ModelsOptions()
    out = console(json=settings.json)
    if name is None:
        if settings.draw is not None:
            raise UsageError("--draw draws one network: name it, as in hubel models resnet50.")
        networks = list_networks()
        if settings.json:
            print_json(networks)
        else:
            out.print(models_table(networks))
        return 0
    page = network_page(name)
    if settings.draw is not None:
        draw(name, settings.draw)
    if settings.json:
        print_json(page)
        return 0
    for part in page_parts(page, read(name)):
        out.print(part)
    if settings.draw is not None:
        out.print(f"Drawing: {settings.draw}")
    return 0
