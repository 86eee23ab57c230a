import java.io.*;
import java.util.zip.GZIPInputStream;

/** GZIPInputStream on a stream that gives little at a time and says that nothing is available, as sockets do. */
class Gunzip {
    static class Slow extends FilterInputStream {
        Slow(InputStream in) { super(in); }
        @Override public int available() { return 0; }
        @Override public int read(byte[] into, int at, int most) throws IOException {
            return super.read(into, at, Math.min(most, 311));
        }
    }

    public static void main(String[] arguments) throws IOException {
        try (InputStream in = new GZIPInputStream(new Slow(new FileInputStream(arguments[0])));
             OutputStream out = new BufferedOutputStream(System.out)) {
            in.transferTo(out);
        }
    }
}
