import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{ Files, Path, Paths }

/** Files of payloads and search terms. Gatling's own separated-values feeders would interpret
  * quotes, and JSON is made of them; a search term may also begin, end or consist of blanks.
  */
object Lines {

  /** The lines below the header. They end with LF or CRLF, the last one perhaps with neither, and a
    * byte order mark may come first; everything else belongs to its line. The lab's generators and
    * oracle.py read alike: tests/test_lines.py.
    */
  def read(path: Path, header: String): Array[String] = {
    val text = Files.readString(path, UTF_8).stripPrefix("\uFEFF").stripSuffix("\n")
    val all = text.split("\n", -1).map(_.stripSuffix("\r"))
    if (all.length < 2 || all.head != header)
      sys.error(s"$path: the first line must be the header '$header' and at least one line must follow")
    all.drop(1)
  }

  /** For the test: prints the lines of the file args(0) with the header args(1), each with a NUL after it. */
  def main(args: Array[String]): Unit = {
    val lines = read(Paths.get(args(0)), args(1))
    System.out.write(lines.map(_ + "\u0000").mkString.getBytes(UTF_8))
    System.out.flush()
  }
}
