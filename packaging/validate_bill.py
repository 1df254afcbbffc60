#!/usr/bin/env python3
"""Says whether a bill of materials keeps to the schema of CycloneDX 1.6, and that nothing unknown is in it.

packaging/validate_bill.py FILE
"""

import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(file.read())
    if problem is not None:
        sys.exit(f"validate_bill.py: {problem}")


if __name__ == "__main__":
    main()
