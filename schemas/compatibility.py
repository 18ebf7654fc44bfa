"""May a schema change? Only so that every version reads what every other has written (FULL_TRANSITIVE), field by field.

`python -m schemas.compatibility` checks the versions in `schemas/avro`; a test runs it. Needs the `avro` package (development only).
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator, Mapping

from schemas.registry import Schema, index, schema_file


def breaks(versions: Mapping[str, Schema]) -> Iterator[str]:
    """A sentence for every pair of versions of which one cannot read the other, naming the field. Nothing when all is well."""
    import avro.schema
    from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

    parsed = {version: avro.schema.parse(json.dumps(schema)) for version, schema in versions.items()}
    for reader, writer in itertools.permutations(parsed, 2):
        result = ReaderWriterCompatibilityChecker().get_compatibility(  # type: ignore[no-untyped-call]
            parsed[reader], parsed[writer]
        )
        if result.compatibility is not SchemaCompatibilityType.compatible:
            places = sorted(_field(versions[reader], place) for place in result.locations)
            reasons = "; ".join(sorted(result.messages))
            yield f"version {reader} cannot read version {writer}: {', '.join(places)} ({reasons})"


def _field(schema: Schema, location: str) -> str:
    """The dotted field a location such as /fields/3/type points to."""
    names: list[str] = []
    place: object = schema
    for step in location.strip("/").split("/"):
        if isinstance(place, list) and step.isdigit():
            place = place[int(step)]
        elif isinstance(place, dict):
            place = place.get(step)
        if isinstance(place, dict) and "name" in place and names[-1:] != [place["name"]]:
            names.append(str(place["name"]))
    return ".".join(names) or str(schema.get("name"))


def main() -> int:
    """Check every topic; print what breaks; 0 when nothing does."""
    found = [
        f"{topic}: {sentence}"
        for topic, versions in index().items()
        for sentence in breaks({version: schema_file(topic, int(version)) for version in versions})
    ]
    for line in found:
        sys.stderr.write(
            f"{line}\nAdd fields with a default only, and change no type: then a new version file is compatible.\n"
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
