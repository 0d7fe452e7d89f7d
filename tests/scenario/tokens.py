"""ServiceAccount tokens, as Kubernetes makes them, and the TokenReview API that vouches for them."""
import base64
import http.server
import json
import ssl
import threading
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TokenMaker:
    """Signs tokens with a key of its own."""

    def __init__(self, folder):
        self.made = []
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.public_file = folder / "sa.pub"
        self.public_file.write_bytes(self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))

    def make(self, namespace="demo", account="app", audience="vault", life_s=36000):
        now = int(time.time())
        claims = {"aud": [audience], "exp": now + life_s, "iat": now, "iss": "https://kubernetes.default.svc",
                  "sub": f"system:serviceaccount:{namespace}:{account}",
                  "kubernetes.io": {"namespace": namespace, "pod": {"name": f"{account}-0", "uid": "pod-uid"},
                                    "serviceaccount": {"name": account, "uid": f"uid-{account}"}}}
        head = base64url(json.dumps({"alg": "ES256", "typ": "JWT"}).encode())
        body = base64url(json.dumps(claims).encode())
        r, s = utils.decode_dss_signature(self.key.sign(f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256())))
        self.made.append(f"{head}.{body}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}")
        return self.made[-1]

    def claims(self, token):
        """The claims of a token that this maker signed and that has not ended, or None."""
        try:
            head, body, signature = token.split(".")
            raw = base64.urlsafe_b64decode(signature + "==")
            self.key.public_key().verify(
                utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")),
                f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
            claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        except Exception:  # pylint: disable=broad-except
            return None
        return claims if claims["exp"] > time.time() else None


class TokenReview:
    """What Vault's kubernetes auth asks of the API server, over TLS."""

    def __init__(self, folder, maker, certificate, key, port=0):
        review = self
        self.maker = maker
        self.reviews = 0
        # What is wrong with the cluster: one of `ills`, or None.
        self.ill = None

        class Handler(http.server.BaseHTTPRequestHandler):
            """One POST: is this token good?"""

            def do_POST(self):  # pylint: disable=invalid-name
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                claims = review.maker.claims(asked["spec"]["token"])
                status = {"authenticated": False, "user": {}}
                review.reviews += 1
                if review.ill == "api-server-down":
                    self.close_connection = True
                    return
                if review.ill in ("reviewer-ended", "no-auth-delegator"):
                    self.refuse(401 if review.ill == "reviewer-ended" else 403)
                    return
                if review.ill in ("account-deleted", "account-made-anew"):
                    status["error"] = "[invalid bearer token, serviceaccounts \"app\" not found]" \
                        if review.ill == "account-deleted" else "[invalid bearer token, service account UID does not match]"
                elif claims:
                    account = claims["kubernetes.io"]["serviceaccount"]
                    status = {"authenticated": True, "audiences": claims["aud"],
                              "user": {"username": claims["sub"], "uid": account["uid"],
                                       "groups": ["system:serviceaccounts"]}}
                answer = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {},
                                     "spec": asked["spec"], "status": status}).encode()
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def refuse(self, code):
                answer = json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                                     "reason": "Unauthorized" if code == 401 else "Forbidden",
                                     "message": "Unauthorized" if code == 401 else "cannot create tokenreviews"}).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"https://127.0.0.1:{self.server.server_address[1]}"
        self.folder = folder
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
