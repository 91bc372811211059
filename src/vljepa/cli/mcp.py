"""`vljepa mcp`: the model and a library as tools for assistants on this machine, over standard input and output."""

from argparse import ArgumentParser, Namespace

from vljepa.cli.options import add_device_options, add_service_options, open_model, sources_of
from vljepa.cli.packages import check_packages


def add_options(parser: ArgumentParser) -> None:
    """What may be read and watched."""
    add_service_options(parser)
    add_device_options(parser)


def run(options: Namespace) -> None:
    """Answer until the assistant hangs up."""
    check_packages("mcp", "mcp")
    from vljepa.serving.mcp import tools_server
    from vljepa.serving.service.service import Service

    sources = sources_of(options.source)
    service = Service(open_model(options).embedder, library=options.library, roots=options.root, sources=sources)
    try:
        tools_server(service).run("stdio")
    finally:
        service.close()
