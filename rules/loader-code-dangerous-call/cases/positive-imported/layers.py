from subprocess import (
    run as go,
)

go(["echo", "inert"])
