"""Every way to log in, and what happens to the token afterwards."""
import re
import time

import pytest

from scene import WEB, openssl, wait_for


def methods(ca, folder):
    """The [auth] lines of each method, with its credentials in place."""
    secret_id, token = folder / "secret-id", folder / "token"
    secret_id.write_text(ca.secret_id() + "\n")
    token.write_text(ca.tokens.make())
    return {
        "kubernetes": f"method = kubernetes\nrole = leafd\ntoken_file = {token}",
        "jwt": f"method = jwt\nrole = leafd\ntoken_file = {token}",
        "approle": f"method = approle\nrole_id = {ca.role_id}\nsecret_id_file = {secret_id}",
        "cert": "method = cert\nrole = leafd",
    }


@pytest.mark.parametrize("method", ["kubernetes", "jwt", "approle", "cert"])
def test_every_method_logs_in(ca, site, tmp_path, method):
    vault = ""
    if method == "cert":
        vault = f"client_certificate = {ca.client_certificate}\nclient_key = {ca.client_key}"
    site.configure(ca, {"web": WEB}, auth=methods(ca, tmp_path)[method], vault=vault)
    done = site.once()
    assert done.code == 0, done.err
    assert ca.requests(f"auth/{method}/login") == 1
    assert done.events("logged-in")[0]["method"] == method


def test_a_token_that_somebody_else_got_is_used(ca, site, tmp_path):
    """The method token: from a file, or from VAULT_TOKEN as other tools have it."""
    token = wait_for(lambda: login(ca), "a token")
    (tmp_path / "client-token").write_text(token + "\n")
    site.configure(ca, {"web": WEB}, auth=f"method = token\ntoken_file = {tmp_path}/client-token")
    assert site.once().code == 0
    site.configure(ca, {"web": WEB, "other": WEB}, auth="method = token")
    assert site.once(environment={"VAULT_TOKEN": token}).code == 0
    assert site.once(environment={"VAULT_TOKEN": "hvs.nonsense"}).code == 0, "all is fresh: nobody is asked"
    site.configure(ca, {"third": WEB}, auth="method = token")
    assert site.once(environment={"VAULT_TOKEN": "hvs.nonsense"}).code == 3


def login(ca, role="leafd"):
    import json  # pylint: disable=import-outside-toplevel
    import urllib.request  # pylint: disable=import-outside-toplevel
    body = json.dumps({"role": role, "jwt": ca.tokens.make()}).encode()
    request = urllib.request.Request(f"{ca.address}/v1/auth/jwt/login", data=body, method="POST")
    with urllib.request.urlopen(request, context=ca.context) as reply:
        return json.load(reply)["auth"]["client_token"]


def test_the_token_file_is_read_anew_at_every_login(ca, site):
    """Kubernetes replaces the file; what it held before has ended."""
    ca.token_file.write_text(ca.tokens.make(life_s=-1000))
    site.configure(ca, {"web": WEB})
    run = site.run()
    run.wait_event("login-failed")
    assert not run.events("published")
    ca.token_file.write_text(ca.tokens.make())
    run.wait_event("published")
    assert run.terminate() == 0


def test_a_token_that_is_replaced_while_the_old_one_is_judged_is_tried_at_once(devca, site):
    """And what is told of the token that was denied is what that one said, and not its successor."""
    devca.token_file.write_text(devca.tokens.make(life_s=-1000))
    devca.fault("delay", path="auth/jwt/login", times=1, ms=3000)
    site.configure(devca, {"web": WEB})
    run = site.run()
    wait_for(lambda: devca.requests("auth/jwt/login"), "a login")
    devca.token_file.write_text(devca.tokens.make())
    failed, = run.wait_event("login-failed")
    begin = time.monotonic()
    pause_s = int(run.wait_event("failed")[0]["next_try_ms"]) / 1000
    assert re.search("and ended 1[67]m", failed["message"]), failed
    run.wait_event("published")
    assert time.monotonic() - begin < max(pause_s, 12), "not the half minute of a denial"
    assert run.terminate() == 0


def test_a_403_costs_one_fresh_login_and_the_certificate_comes(ca, site):
    site.configure(ca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    ca.drop_tokens()
    logins = ca.requests("auth/jwt/login")
    site.configure(ca, {"web": WEB + "ip_addresses = 192.0.2.1"})
    run.hangup()
    run.wait_event("published", count=2)
    assert run.events("token-lost")
    assert ca.requests("auth/jwt/login") == logins + 1
    assert not run.events("failed")


def test_a_certificate_that_is_denied_takes_the_token_from_nobody(devca, site):
    """The login that could bring another one may fail, as one by a secret id of a single use does."""
    site.configure(devca, {"web": WEB})
    run = site.run()
    run.wait_ready()
    devca.fault("status", path="pki_int/sign/needs-cn", times=0, status=403)
    devca.fault("status", path="auth/jwt/login", times=0, status=400)
    bad = WEB.replace("leafd", "needs-cn")
    site.configure(devca, {"web": WEB, "bad": bad})
    run.hangup()
    run.wait_event("failed", "bad")
    site.configure(devca, {"web": WEB + "ip_addresses = 192.0.2.1", "bad": bad})
    run.hangup()
    run.wait_event("published", "web", count=2)
    assert not run.events("failed", "web")
    assert run.terminate() == 0


def test_what_the_policy_denies_is_no_reason_for_a_login_each_time(devca, site):
    """Eight waits of a certificate of 16 s: each of them would be a token more at the CA, and two lines."""
    devca.fault("status", path="pki_int/sign/needs-cn", times=0, status=403)
    site.configure(devca, {"web": WEB, "bad": WEB.replace("leafd", "needs-cn").replace("ttl = 1h", "ttl = 16s")})
    run = site.run()
    run.wait_event("published", "web")
    begin = time.monotonic()
    wait_for(lambda: devca.requests("pki_int/sign/needs-cn") >= 11, "ten tries")
    # One for all, one when the token was denied first, and no more than one in four of the longest waits, which are of 2 s.
    assert devca.requests("auth/jwt/login") <= 3 + (time.monotonic() - begin) / 8
    assert [line["level"] for line in run.events("token-lost")].count("notice") == 1
    assert [line["level"] for line in run.events("logged-in")].count("info") == 2
    assert run.terminate() == 0


def test_a_policy_that_forbids_is_retried_and_exits_3(ca, site):
    site.configure(ca, {"web": WEB}, auth=ca.auth.replace("role = leafd", "role = powerless"))
    done = site.once()
    assert done.code == 3
    failed = done.events("failed")
    assert failed[0]["class"] == "denied" and "403" in failed[0]["message"]
    assert ca.requests("auth/jwt/login") == 2


def test_a_login_that_is_refused_exits_3_and_one_that_is_denied_too(ca, site):
    site.configure(ca, {"web": WEB}, auth=ca.auth.replace("role = leafd", "role = nobody"))
    done = site.once()
    assert done.code == 3
    assert done.events("login-failed")
    site.configure(ca, {"web": WEB}, auth=ca.auth + "\nmount = nowhere")
    assert site.once().code == 3


def test_many_certificates_share_one_failing_login(ca, site):
    """A hundred certificates do not make a hundred login attempts."""
    ca.token_file.write_text(ca.tokens.make(life_s=-1000))
    site.configure(ca, {f"c{i}": WEB for i in range(100)})
    done = site.once()
    assert done.code == 3
    assert len(done.events("failed")) == 100
    assert ca.requests("auth/jwt/login") <= 3


def test_the_token_is_revoked_at_the_end_where_that_is_wanted(ca, site):
    site.configure(ca, {"web": WEB}, auth=ca.auth + "\nrevoke_on_exit = yes")
    assert site.once().code == 0
    assert ca.requests("auth/token/revoke-self") == 1
    site.configure(ca, {"other": WEB}, auth=ca.auth + "\nrevoke_on_exit = yes")
    run = site.run()
    run.wait_ready()
    assert run.terminate() == 0
    assert ca.requests("auth/token/revoke-self") == 2
    openssl("x509", "-in", str(site.out("other") / "tls.crt"), "-noout", "-checkend", "60")


def test_a_token_is_renewed_while_the_agent_idles(ca, site):
    """A lease of 20 s is renewed at two thirds of it."""
    site.configure(ca, {"web": WEB}, auth=ca.auth.replace("role = leafd", "role = short"), agent="log_level = debug")
    run = site.run()
    run.wait_ready()
    run.wait_event("token-renewed")
    assert ca.requests("auth/token/renew-self") >= 1
    assert ca.requests("auth/jwt/login") == 1


def test_check_online_tells_what_the_ca_would_refuse(ca, site):
    site.configure(ca, {"web": WEB})
    done = site.command("check", "--online")
    assert done.code == 0, done.out + done.err
    assert "the token may use pki_int/sign/leafd" in done.out
    site.configure(ca, {"web": WEB}, auth=ca.auth.replace("role = leafd", "role = powerless"))
    done = site.command("check", "--online")
    assert done.code == 3
    assert 'path "pki_int/sign/leafd" { capabilities = ["update"] }' in done.out
    assert ca.requests("pki_int/sign") == 0
    ca.proxy.cut()
    assert site.command("check", "--online").code == 1


# -- what a token is good for -------------------------------------------------------------------------


def test_a_token_of_few_uses_is_replaced_when_they_are_over(ca, site):
    """Five calls a login and twelve certificates: nobody is denied, and no call is wasted on a token that is used up."""
    site.configure(ca, {f"c{number}": WEB for number in range(12)}, auth=ca.auth.replace("role = leafd", "role = few"))
    done = site.once()
    assert done.code == 0, done.err
    assert not done.events("failed") and not done.events("token-lost")
    assert len(done.events("logged-in")) == ca.requests("auth/jwt/login") == 3
    assert ca.requests("pki_int/sign/") == 12


def test_a_403_to_a_token_that_has_worked_means_to_log_in_again(devca, site):
    """The CA does not say that the token is for five calls: others use up the next one as well."""
    devca.fault("no-uses", path="auth/jwt/login", times=0)
    site.configure(devca, {f"c{number}": WEB for number in range(12)}, auth=devca.auth.replace("= leafd", "= few"))
    done = site.once()
    assert done.code == 0, done.err
    assert not done.events("failed")
    assert 3 <= len(done.events("logged-in")) <= 12


@pytest.mark.parametrize("command", ["once", "run"])
def test_a_token_for_one_call_that_was_given_is_not_spent_on_a_question(ca, site, tmp_path, command):
    (tmp_path / "client-token").write_text(login(ca, "single"))
    site.configure(ca, {"web": WEB}, auth=f"method = token\ntoken_file = {tmp_path}/client-token")
    if command == "once":
        done = site.once()
        assert done.code == 0, done.err
    else:
        run = site.run()
        run.wait_event("published")
        assert not run.events("failed")
        assert run.terminate() == 0
    assert ca.requests("auth/token/lookup-self") == 0


@pytest.mark.parametrize("case", ["look-up-fails", "look-up-denied", "busy"])
def test_a_token_that_was_given_is_renewed_before_it_ends(devca, site, tmp_path, case):
    """Its end is asked for once it has been of use: a failure of that is tried again, and no other success puts it off."""
    (tmp_path / "client-token").write_text(login(devca, "minute"))
    certs = {"web": WEB}
    if case == "busy":
        certs = {f"c{number}": WEB.replace("ttl = 1h", "ttl = 30s") for number in range(6)}
    else:
        devca.fault("status", path="auth/token/lookup-self", times=1, status=503 if case == "look-up-fails" else 403)
    site.configure(devca, certs, auth=f"method = token\ntoken_file = {tmp_path}/client-token", agent="ca_poll = 0")
    run = site.run()
    run.wait_event("published", count=len(certs))
    if case == "look-up-denied":
        lost, = run.wait_event("token-lost")
        assert lost["class"] == "denied" and "how long it lives" in lost["message"]
        assert devca.requests("auth/token/renew-self") == 0
    else:
        wait_for(lambda: devca.requests("auth/token/renew-self"), "the renewal")
        assert len(run.events("token-lost")) == (case == "look-up-fails")
        assert devca.requests("auth/token/lookup-self") == 1 + (case == "look-up-fails")
    assert not run.events("login-failed")
    assert run.terminate() == 0


# -- why a login was denied ---------------------------------------------------------------------------

ILLS = ["account-deleted", "account-made-anew", "reviewer-ended", "no-auth-delegator", "api-server-down"]


def denied(site):
    """What the log says of a login that was denied, once."""
    done = site.once()
    assert done.code == 3, done.err
    failed, = done.events("login-failed")
    assert failed["class"] == "denied"
    assert "the login failed" in done.events("failed")[0]["message"], "told once, and not for each certificate again"
    return failed["message"]


@pytest.mark.parametrize("ill", ILLS)
def test_a_cluster_that_vouches_for_nobody_is_told_from_a_mount_that_is_missing(ca, site, ill):
    """The CA answers "permission denied" to all of it; that the mount is there can be known, and leaves two sides."""
    ca.fall_ill(ill)
    site.configure(ca, {"web": WEB}, auth=f"method = kubernetes\nrole = leafd\ntoken_file = {ca.token_file}")
    told = denied(site)
    assert "permission denied" in told
    assert re.search("of ServiceAccount demo:app, for audience vault, and ends in (9h5[89]m|10h);", told), told
    assert "auth/kubernetes exists: either the ServiceAccount was deleted or created again" in told
    assert "or the CA cannot review tokens (token_reviewer_jwt expired, no system:auth-delegator" in told
    assert ca.token_file.read_text().strip() not in told


@pytest.mark.parametrize("method", ["kubernetes", "jwt"])
def test_a_mount_that_is_missing_is_named(ca, site, method):
    site.configure(ca, {"web": WEB}, auth=f"method = {method}\nrole = leafd\ntoken_file = {ca.token_file}\nmount = k8s-b")
    assert "there is no auth method at auth/k8s-b: check mount in [auth] and namespace in [vault]" in denied(site)


@pytest.mark.parametrize("wrong, says", [
    ({"namespace": "other"}, "of ServiceAccount other:app"), ({"account": "other"}, "of ServiceAccount demo:other"),
    ({"audience": "api"}, "for audience api"), ({"life_s": -1000}, "and ended 16m4[0-9]s ago|and ended 16m5[0-9]s ago|and ended 17m")],
    ids=["namespace", "account", "audience", "expired"])
@pytest.mark.parametrize("method", ["kubernetes", "jwt"])
def test_a_login_that_is_denied_tells_whose_token_was_sent(ca, site, wrong, says, method):
    ca.token_file.write_text(ca.tokens.make(**wrong))
    site.configure(ca, {"web": WEB}, auth=f"method = {method}\nrole = leafd\ntoken_file = {ca.token_file}")
    told = denied(site)
    assert re.search(says, told), told
    assert "exists: either" not in told


def test_a_token_that_is_not_there_yet_is_waited_for_and_is_no_wrong_configuration(ca, site, tmp_path):
    """The names in the configuration are made of it, so that nothing can begin before; a boot and a pod wait."""
    token = tmp_path / "late"
    site.configure(ca, {"web": WEB + "uris = spiffe://td/ns/${k8s.namespace}"},
                   auth=f"method = jwt\nrole = leafd\ntoken_file = {token}")
    done = site.once()
    assert done.code == 1, done.err
    assert "the ServiceAccount token cannot be read: cannot open" in done.err and str(token) in done.err
    run = site.run()
    failed = run.wait_event("failed")
    assert failed[0]["class"] == "local" and "waits for the token" in failed[0]["message"]
    token.write_text(ca.tokens.make())
    run.wait_event("published")
    assert len(run.events("failed")) == 1
    assert "URI:spiffe://td/ns/demo" in openssl("x509", "-in", str(site.out() / "tls.crt"), "-noout", "-ext", "subjectAltName")
    assert run.terminate() == 0
    token.unlink()
    run = site.run()
    run.wait_event("failed")
    assert run.terminate() == 0
    site.write(site.file.read_text() + "nonsense = 1\n")
    assert site.once().code == 2, "what is wrong besides is not waited for"


def test_a_token_that_has_ended_is_not_shown_to_the_ca(ca, site):
    """Its lease is too short to be renewed: the next certificate begins with a login, not with a 403."""
    auth = ca.auth.replace("role = leafd", "role = brief")
    site.configure(ca, {"web": WEB}, auth=auth)
    run = site.run()
    run.wait_event("published", "web")
    begin = time.monotonic()
    wait_for(lambda: time.monotonic() > begin + 7, "the token's end")
    site.configure(ca, {"web": WEB, "next": WEB}, auth=auth)
    run.hangup()
    run.wait_event("published", "next")
    assert len(run.events("logged-in")) == 2 and not run.events("token-lost")
    assert ca.requests("pki_int/sign/") == 2
    assert run.terminate() == 0
