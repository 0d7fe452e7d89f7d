import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;

/**
 * KeystoreServer KEYSTORE PASSWORD-FILE PORT: a TLS server whose key lies in a PKCS#12 keystore that the JDK loads.
 *
 * As a Kafka broker does it: the port stays open, and each new connection is served by the SSLContext of the keystore as
 * it was last loaded. It is loaded again when the path leads to another file; one that cannot be loaded changes nothing.
 */
public final class KeystoreServer {
    private static final long LOOK_EVERY_MS = 100;

    private final Path keystore;
    private final char[] password;
    private volatile SSLContext current;

    private KeystoreServer(Path keystore, Path passwordFile) throws IOException {
        this.keystore = keystore;
        this.password = Files.readString(passwordFile).strip().toCharArray();
    }

    private void load() throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream bytes = Files.newInputStream(keystore)) {
            store.load(bytes, password);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, password);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        current = context;
    }

    private void watch(Path loaded) {
        while (true) {
            try {
                Path now = keystore.toRealPath();
                if (!now.equals(loaded)) {
                    load();
                    loaded = now;
                }
            } catch (IOException | GeneralSecurityException failure) {
                System.err.println("keeps the old keystore: " + failure);
            }
            try {
                TimeUnit.MILLISECONDS.sleep(LOOK_EVERY_MS);
            } catch (InterruptedException end) {
                return;
            }
        }
    }

    private void answer(Socket plain) {
        try (plain;
             SSLSocket tls = (SSLSocket) current.getSocketFactory().createSocket(plain, null, plain.getPort(), true)) {
            tls.setUseClientMode(false);
            while (tls.getInputStream().read() >= 0) {
                continue;
            }
        } catch (IOException failure) {
            System.err.println("a connection failed: " + failure);
        }
    }

    private static void startDaemon(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        thread.start();
    }

    public static void main(String[] arguments) throws Exception {
        KeystoreServer server = new KeystoreServer(Path.of(arguments[0]), Path.of(arguments[1]));
        Path first = server.keystore.toRealPath();
        server.load();
        startDaemon(() -> server.watch(first));
        try (ServerSocket listener =
                 new ServerSocket(Integer.parseInt(arguments[2]), 256, InetAddress.getLoopbackAddress())) {
            while (true) {
                Socket plain = listener.accept();
                startDaemon(() -> server.answer(plain));
            }
        }
    }
}
