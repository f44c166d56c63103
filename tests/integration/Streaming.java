import java.io.InputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/** Reads a ZIP file from standard input, front to back; prints each entry's name and how many bytes it has. */
public class Streaming {
    public static void main(String[] arguments) throws Exception {
        byte[] piece = new byte[1 << 16];
        StringBuilder told = new StringBuilder();
        try (ZipInputStream zip = new ZipInputStream(System.in)) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                long size = 0;
                for (int count = zip.read(piece); count > 0; count = zip.read(piece)) {
                    size += count;
                }
                told.append(entry.getName()).append('\t').append(size).append('\n');
            }
        }
        System.out.print(told);
    }
}
