"""A thief has the owner's current key and administers with it. Whatever he did, one command ends it."""

import http.client
import json
import threading
import time
from datetime import datetime, timezone
from functools import partial

from dead_queue import arrived, told
from scene import (DEAD_WITHIN, KEYS, ORG, OWNER_AT, PUBLIC_URL, QUEUES, ROTATE, THIEF_AT, Caller, Owner, Sheet, Traffic,
                   Watch, with_bearer, with_key)

try:
    from lib.signing import Signer, new_key, registration
except ImportError:  # http-message-signatures could not be had
    Signer = None

SETTINGS = {}
SECRET = "/v1/auth/signing-secret/rotate"
# The thief mints and revokes so many keys, which fill every list of dead ones.
CHURN = 100


class Thief(Caller):
    """Begins with the owner's key. What he gets is in `loot`: how it is used, by name."""

    def __init__(self, scene, owner):
        super().__init__(scene, owner.key, THIEF_AT)
        self.owner, self.loot, self.signer = owner, {"the stolen key": with_key(owner.key)}, None
        self.busy = []
        self.inbox = f"/thief/{owner.name}"

    def signed(self, method, target, body=None):
        return {**dict(self.signer.sign(method, target, body)), "X-Forwarded-For": THIEF_AT}

    def got(self):
        """The events at his own receiver."""
        return self.scene.receiver.inbox(self.inbox)


def rotates_without_grace(thief):
    """The owner's service stands still from here on."""
    made = thief.call("POST", ROTATE, {"grace_period_seconds": 0})
    del thief.loot["the stolen key"]
    thief.key = made["new_tenant_api_key"]
    thief.loot["the successor of the stolen key"] = with_key(thief.key)
    thief.owner.refused("GET", "/v1/users", status=401, code="unauthorized", within=1)


def fills_the_ten_places(thief):
    while True:
        status, said = thief.ask("POST", KEYS, {"name": "backup"})
        if status == 409:
            assert said["error"]["code"] == "too_many_live_keys", said
            return
        thief.loot[f"a minted key, no. {len(thief.loot)}"] = with_key(said["data"]["secret"])


def mints_and_revokes_for_ever(thief):
    for _ in range(CHURN):
        made = thief.call("POST", KEYS, {"name": "noise"}, expect=201)
        thief.call("DELETE", f"{KEYS}/{made['id']}", expect=204)


def leaves_an_old_key_and_one_that_waits(thief):
    old = thief.call("POST", KEYS, {"name": "old"}, expect=201)
    thief.call("POST", ROTATE, {"key_id": old["id"], "grace_period_seconds": 604800})
    thief.loot["a key in a grace window of a week"] = with_key(old["secret"])
    asked = thief.call("POST", KEYS, {"name": "asked"}, expect=201)
    made = thief.call("POST", ROTATE, {"key_id": asked["id"], "activation": "on_confirm", "confirm_within_seconds": 604800})
    thief.loot["the successor in a rotation that waits"] = with_key(made["new_tenant_api_key"])


def takes_the_queues(thief):
    for stream in ("credentials", "users"):
        wall = time.time()
        thief.call("PUT", f"{QUEUES}/{stream}", thief.owner.queue(thief.inbox))
        # It goes to the other stream too; to whom that belongs by then is his.
        heard = thief.owner.heard("queue.replaced", stream=stream, queue_name=stream).at
        thief.sheet.took(f"queue.replaced at the owner's receiver of {stream}", heard - wall, 5)


def issues_member_tokens(thief):
    for number in range(3):
        user_id = thief.owner.users_there[number]
        token = thief.call("POST", "/v1/auth/token", {"user_id": user_id})["access_token"]
        thief.loot[f"a member token, no. {number + 1}"] = with_bearer(token, f"/v1/users/{user_id}")


def registers_a_key_of_his_own(thief):
    """A registered key signs requests and gets OAuth tokens, without any tenant key."""
    key = new_key()
    made = thief.call("POST", "/api/v1/key", registration(thief.owner.name, key))
    thief.signer = Signer(made["UniqueId"], key, PUBLIC_URL)
    form = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": THIEF_AT}
    end = time.monotonic() + 1
    while True:
        asked = thief.signer.token_request(thief.owner.name, "/v1/oauth/token")
        status, text = thief.replica().ask("POST", "/v1/oauth/token", form, asked)
        if status == 200:
            break
        assert time.monotonic() < end, text
        time.sleep(0.05)
    token = text.decode().split('"access_token":"')[1].split('"')[0]
    thief.loot["an OAuth token of his key"] = with_bearer(token)
    target = "/v1/users?limit=1"
    thief.loot["a request that his key signs"] = ("GET", target, partial(thief.signed, "GET", target))


def has_keys_encrypted_to_himself(thief):
    """The key registered last is used: what the owner asks for later would be encrypted to him."""
    thief.call("POST", "/api/v1/key", registration(thief.owner.name, new_key(), ("CredentialsDownload", "Reports")))


def deletes_the_owners_public_key(thief):
    thief.call("DELETE", f"/api/v1/key/{thief.owner.public_key}", expect=204)


def takes_the_signing_secret(thief):
    made = thief.call("POST", SECRET, {"grace_period_seconds": 604800})
    thief.secret = made["new_signing_secret"]


def demands_signatures_that_only_he_can_make(thief):
    body = {"signature_policy": "required"}
    headers = thief.signed("PATCH", ORG, body)
    status, said = thief.ask("PATCH", ORG, body, headers=headers)
    assert status == 200, (status, said)
    thief.owner.refused("GET", "/v1/users", status=403, code="signature_required", within=1)
    # A key alone is refused now, his own as well.
    thief.loot = {name: use for name, use in thief.loot.items() if callable(use[2])}


def lets_leaks_pass(thief):
    thief.call("PATCH", ORG, {"leak_policy": "notify"})


def shuts_out_the_owners_networks(thief):
    thief.call("PATCH", ORG, {"allowed_networks": [f"{THIEF_AT}/32"]})
    if "the stolen key" in thief.loot:  # else it is dead already
        thief.owner.refused("GET", "/v1/users", status=403, code="network_not_allowed", within=1)


def freezes(thief):
    thief.call("POST", f"{ORG}/freeze", {"reason": "maintenance"})


def goes_on_while_he_is_thrown_out(thief):
    """He mints, rotates, revokes and issues tokens at both replicas without a pause, also while the command runs."""
    thief.busy = [Busy(thief, replica) for replica in thief.scene.replicas for _ in range(3)]
    end = time.monotonic() + 5
    while sum(len(busy.keys) for busy in thief.busy) < 20:
        assert time.monotonic() < end, "he gets nothing"
        time.sleep(0.05)


class Busy:
    """One of his connections; keeps every credential that it was ever given."""

    def __init__(self, thief, replica):
        self.thief, self.replica, self.key = thief, replica, thief.key
        self.keys, self.tokens, self.stopped = [], [], threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()
        thief.scene.helpers.append(self)

    def work(self):
        while not self.stopped.is_set():
            made = self.ask("POST", KEYS, {"name": "more"})
            if made and "secret" in made:
                self.keys.append(made["secret"])
                rotated = self.ask("POST", ROTATE, {"key_id": made["id"], "grace_period_seconds": 3600})
                if rotated:
                    self.keys.append(rotated["new_tenant_api_key"])
                    self.ask("DELETE", f"{KEYS}/{rotated['key_id']}")
                self.ask("DELETE", f"{KEYS}/{made['id']}")
            token = self.ask("POST", "/v1/auth/token", {"user_id": self.thief.owner.users_there[0]})
            if token:
                self.tokens.append(token["access_token"])

    def ask(self, method, path, body=None):
        headers = {**self.thief.headers(self.key), "Content-Type": "application/json"}
        try:
            status, text = self.replica.ask(method, path, headers, None if body is None else json.dumps(body))
        except (OSError, http.client.HTTPException):
            return None
        return json.loads(text)["data"] if status in (200, 201) else None

    def stop(self):
        self.stopped.set()
        self.thread.join(20)


# In this order they suit one evening: each leaves what the next one needs.
GAMES = [rotates_without_grace, mints_and_revokes_for_ever, issues_member_tokens, registers_a_key_of_his_own,
         has_keys_encrypted_to_himself, deletes_the_owners_public_key, takes_the_signing_secret, takes_the_queues, lets_leaks_pass,
         leaves_an_old_key_and_one_that_waits, fills_the_ten_places, shuts_out_the_owners_networks, freezes]
# These leave him with less, so they are played on their own.
ALONE = [*GAMES, goes_on_while_he_is_thrown_out, demands_signatures_that_only_he_can_make]
NEED_SIGNATURES = {registers_a_key_of_his_own, demands_signatures_that_only_he_can_make, has_keys_encrypted_to_himself,
                   deletes_the_owners_public_key}


class Robbed(Owner):
    """An owner with users, and with a public key that signs."""

    def __init__(self, scene, name):
        super().__init__(scene, name)
        self.users_there = [self.new_user() for _ in range(3)]
        if Signer:
            self.signing_key = new_key()
            made = self.call("POST", "/api/v1/key", registration(name, self.signing_key))
            self.public_key = made["UniqueId"]


def evening(scene, games, name):
    """The games, then one command; gives owner, thief, the recovery and its sheet."""
    owner = Robbed(scene, name)
    thief, sheet = Thief(scene, owner), Sheet(f"a thief with the current key, {len(games)} games")
    thief.sheet = sheet
    traffic = Traffic(owner)
    # What was there before stays the owner's.
    since = datetime.now(timezone.utc).isoformat()
    began = time.monotonic()
    for game in games:
        game(thief)
    sheet.took("the thief was busy for", time.monotonic() - began)
    watch = Watch(scene, thief.loot)
    watch.all_good()
    said, entered, ended = scene.operate("org", "recover", "--key", name, "--since", since)
    recovered_at = time.time() - (time.monotonic() - ended)
    owner.key, owner.secret = said["tenant_api_key"], said.get("signing_secret", owner.secret)
    traffic.key = owner.key
    sheet.took("the command", ended - entered, 5)
    deaths = watch.dead(ended)
    sheet.took(f"last use of any of his {len(deaths)} credentials, after the command", max(max(deaths.values()), 0.0), 1)
    return owner, thief, traffic, recovered_at, sheet


def nothing_is_left(owner, thief, recovered_at):
    """The owner has one key and works; the thief has nothing, and cannot undo it."""
    for _ in range(2):
        owner.call("GET", "/v1/users?limit=1")
        owner.new_user()
    live = owner.call("GET", KEYS)
    assert [key["is_current"] for key in live] == [True], live
    owner.refused("POST", KEYS, {"name": "too early"}, status=403, code="administration_frozen")
    for method, path, headers in thief.loot.values():
        headers = headers() if callable(headers) else headers
        assert thief.ask(method, path, headers=headers)[0] in (401, 403)
    if thief.signer:
        for target in ("/v1/admin/org/thaw", ROTATE):
            status, said = thief.ask("POST", target, {}, headers=thief.signed("POST", target, {}))
            assert status in (401, 403), f"signed by his key, {target}: {status} {said}"
        status, _ = thief.replica().ask("POST", "/v1/oauth/token", {"Content-Type": "application/x-www-form-urlencoded"},
                                        thief.signer.token_request(owner.name, "/v1/oauth/token"))
        assert status in (400, 401), f"a new OAuth token: {status}"
    for queue in owner.call("GET", QUEUES):
        assert queue["state"] == "paused", queue
    for busy in thief.busy:
        busy.stop()
        user = f"/v1/users/{owner.users_there[0]}"
        tokens = [with_bearer(token, user) for token in busy.tokens[-5:]]
        for method, path, headers in [*map(with_key, busy.keys[-20:]), *tokens]:
            status, _ = thief.ask(method, path, headers=headers)
            assert status == 401, f"one that he got while he was thrown out: {status}"
    # The old target is told of the pause (contract 14).
    late = [each for each in thief.got() if each.at > recovered_at + 1 and each.event["type"] != "queue.paused"]
    assert not late, f"{len(late)} events reached him later than a second after the command"


def going_again(owner):
    """What docs/incidents.md says comes next: the thaw, the queues."""
    owner.scene.operate("org", "thaw", "--key", owner.name)
    end = time.monotonic() + 2
    while owner.ask("PATCH", ORG, {"name": "Thawed"})[0] != 200:
        assert time.monotonic() < end, owner.ask("PATCH", ORG, {"name": "Thawed"})
    for stream in ("users", "credentials"):
        owner.register(stream, "PUT")


def one_game(scene, full, game):
    owner, thief, traffic, recovered_at, sheet = evening(scene, [game], f"game-{game.__name__.replace('_', '-')}")
    traffic.stop()
    nothing_is_left(owner, thief, recovered_at)
    assert not sheet.over, sheet.over


def all_of_them(scene, full, games):
    """The whole evening; then the owner goes on, and what was taken is counted."""
    for number in range(3 if full else 1):
        owner, thief, traffic, recovered_at, sheet = evening(scene, games, f"stolen-{number}")
        recovered = time.monotonic()
        nothing_is_left(owner, thief, recovered_at)
        going_again(owner)
        sheet.took("owner administers and gets events again, after the command", time.monotonic() - recovered)
        time.sleep(0.5)
        traffic.stop()
        sheet.took("the owner's longest time without an acknowledged write", traffic.outage())
        taken = {each.event["data"]["user_id"] for each in thief.got() if each.event["type"].startswith("user.")}
        events = {each.id for each in thief.got() if not each.event["type"].startswith("queue.test")}
        ids = sorted(events)
        for at in range(0, len(ids), 1000):
            owner.call("POST", "/v1/admin/org/events/replay", {"event_ids": ids[at:at + 1000]}, expect=202)
        arrived(owner, [*owner.users_there, *traffic.acknowledged])
        there = set(owner.users())
        sheet.counted("acknowledged writes, of them lost", f"{len(traffic.acknowledged)}, "
                                                           f"{len(set(traffic.acknowledged) - there)}")
        sheet.counted("events that the thief got, users they name", f"{len(events)}, {len(taken)}")
        sheet.counted("of these, not with the owner after the replay", len(taken - set(told(owner))))
        rows = owner.audit()
        his = [row for row in rows if row["client_address"] == THIEF_AT]
        sheet.counted("rows of the audit log, from the thief's address", f"{len(rows)}, {len(his)}")
        assert {row["client_address"] for row in rows} <= {None, OWNER_AT, THIEF_AT} and len(his) > 2 * CHURN, len(his)
        assert set(traffic.acknowledged) <= there, "an acknowledged user is missing"
        scene.replicas[0].command("audit", "verify", "--org", owner.name)
        sheet.close()


def walk(scene, tally, full):
    if not scene.has("org", "recover"):
        tally.skip("stolen", "all games", "this build has no org recover")
        return
    for game in ALONE:
        name = f"{game.__name__.replace('_', ' ')}; one command, and he has nothing"
        if game in NEED_SIGNATURES and not Signer:
            tally.skip("stolen", name, "http-message-signatures is not installed")
        elif game is demands_signatures_that_only_he_can_make:
            scene.play(tally, "stolen", name, one_game, full, then(registers_a_key_of_his_own, game))
        else:
            scene.play(tally, "stolen", name, one_game, full, game)
    games = [game for game in GAMES if Signer or game not in NEED_SIGNATURES]
    scene.play(tally, "stolen", "the owner freezes with an old key, and no operator is woken", the_owner_freezes, full)
    name = "an org that signs its administration: a stolen key administers nothing"
    if Signer:
        scene.play(tally, "stolen", name, the_owner_signs, full)
    else:
        tally.skip("stolen", name, "http-message-signatures is not installed")
    scene.play(tally, "stolen", "all of it in one evening; then the owner goes on, and nothing acknowledged is lost",
               all_of_them, full, games)


def the_owner_freezes(scene, full):
    """No operator is awake, and the owner has a key in its grace window left: enough to stop the thief's administration."""
    owner = Robbed(scene, "stolen-frozen")
    old = owner.key
    owner.key = owner.call("POST", ROTATE, {"grace_period_seconds": 3600})["new_tenant_api_key"]
    thief, traffic = Caller(scene, owner.key, THIEF_AT), Traffic(owner)
    wall, began = time.time(), time.monotonic()
    owner.call("POST", f"{ORG}/freeze", {"reason": "not ours"}, key=old)
    froze = time.monotonic() - began
    games = [("POST", KEYS, {"name": "more"}), ("POST", ROTATE, {}), ("PUT", f"{QUEUES}/users", owner.queue("/thief")),
             ("POST", SECRET, {}), ("PATCH", ORG, {"name": "Mine"})]
    settled = max(thief.refused(*game, status=403, code="administration_frozen", within=DEAD_WITHIN) for game in games)
    heard = owner.heard("org.administration_frozen").at
    time.sleep(0.3)
    traffic.stop()
    sheet = Sheet("a thief with the current key; the owner freezes with an old one")
    sheet.took("the request", froze)
    sheet.took("last administration by the thief, after it", settled, DEAD_WITHIN)
    sheet.took("org.administration_frozen in the owner's queue", heard - wall, 5)
    sheet.counted("the owner's writes meanwhile, refused", f"{len(traffic.acknowledged)}, {sum(traffic.refused.values())}")
    sheet.close()
    assert not traffic.refused, traffic.refused


def the_owner_signs(scene, full):
    """Who prepared for it: with `signature_policy: administration` a stolen key administers nothing at all."""
    owner = Robbed(scene, "stolen-signed")
    signer, body = Signer(owner.public_key, owner.signing_key, PUBLIC_URL), {"signature_policy": "administration"}
    headers = {**dict(signer.sign("PATCH", ORG, body)), "X-Forwarded-For": OWNER_AT}
    owner.call("PATCH", ORG, body, headers=headers)
    thief = Caller(scene, owner.key, THIEF_AT)
    for game in (("POST", KEYS, {"name": "more"}), ("POST", ROTATE, {"grace_period_seconds": 0}), ("POST", SECRET, {}),
                 ("PUT", f"{QUEUES}/credentials", owner.queue("/thief")), ("DELETE", f"{QUEUES}/users", None),
                 ("PATCH", ORG, {"name": "Mine"}), ("POST", f"{ORG}/thaw", {})):
        thief.refused(*game, status=403, code="signature_required", within=DEAD_WITHIN)
    status, said = thief.ask("POST", "/api/v1/key", registration(owner.name, new_key()))
    assert (status, said["Error"]["Code"]) == (403, "signature_required"), said
    owner.new_user()


def then(first, second):
    def both(thief):
        first(thief)
        second(thief)
    both.__name__ = second.__name__
    return both
