import time, pytest
from tests.runtime.test_cycle import *
def test_x(world):
    t=time.monotonic()
    def tick(w):
        nonlocal t
        n=time.monotonic(); print(w, round(n-t,2)); t=n
    a={x: world.fresh(x) for x in WEIGHTS}
    world.unit("acme", *[world.account(i, a[i], weight=w) for i,w in WEIGHTS.items()])
    world.apply(); tick("apply")
    for x in a.values(): world.deliver(x,10)
    tick("deliver")
    l=world.ndjson("fetch","--cycles","1"); tick("fetch"); print(*l,sep="\n")
    world.seen(a["one"]); tick("seen")
    l=world.ndjson("fetch","--drain", check=None); tick("fetch"); print(*l,sep="\n")
    print(world.command("status", check=None)); tick("status")
