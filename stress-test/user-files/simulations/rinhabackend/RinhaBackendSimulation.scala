import java.nio.file.Paths

import scala.concurrent.duration._
import scala.util.Try

import io.gatling.core.Predef._
import io.gatling.http.Predef._

/** The contest's stress test: an open model, so users arrive at their rate whether or not the
  * server keeps up, and each of them opens a connection of its own.
  *
  * Environment:
  *   POUCO_PAYLOAD_FILE  creation bodies, one JSON document a line under the header `payload`
  *   POUCO_TERMS_FILE    search terms, one a line under the header `t`
  *   POUCO_BASE_URL      where the API answers; http://localhost:9999 by default
  *   POUCO_TEST_SECONDS  length of the injection, 205 by default (the contest's own). Another
  *                       length keeps the phases and their rates and stretches their duration.
  *   POUCO_TEST_SCALE    multiplies all rates; 1 by default, 0.01 to 100
  */
class RinhaBackendSimulation extends Simulation {

  private val FullSeconds = 205

  private val baseUrl = setting("POUCO_BASE_URL", "http://localhost:9999")

  private val seconds = {
    val text = setting("POUCO_TEST_SECONDS", FullSeconds.toString)
    Try(text.toInt).toOption
      .filter(n => n >= 5 && n <= 3600)
      .getOrElse(sys.error(s"POUCO_TEST_SECONDS=$text: a whole number from 5 to 3600 is allowed"))
  }

  private val scale = {
    val text = setting("POUCO_TEST_SCALE", "1")
    Try(text.toDouble).toOption
      .filter(n => n >= 0.01 && n <= 100)
      .getOrElse(sys.error(s"POUCO_TEST_SCALE=$text: a number from 0.01 to 100 is allowed"))
  }

  // Whole seconds, because Gatling drops fractions of one: 10, 15 and 180 of them in the contest.
  private val first = share(10)
  private val second = share(15)
  private val ramp = seconds.seconds - first - second

  private val payloads = lines("POUCO_PAYLOAD_FILE", "payload")
  private val terms = lines("POUCO_TERMS_FILE", "t")

  private val protocol = http
    .baseUrl(baseUrl)
    .userAgentHeader("Agente do Caos - 2023")
    // Gatling's own warm-up calls a site on the internet; this one works offline and warms the
    // client for the address that it is about to load.
    .warmUp(s"$baseUrl/contagem-pessoas")

  private val createThenLookUp = scenario("create then look up")
    .feed(payloads.circular)
    .exec(
      http("creation")
        .post("/pessoas")
        .header("content-type", "application/json")
        .body(StringBody("#{payload}"))
        .check(
          status.in(201, 422, 400),
          status.saveAs("status")
        )
        .checkIf((_: io.gatling.http.response.Response, session: Session) =>
          session("status").asOption[Int].contains(201)
        )(header("Location").saveAs("location"))
    )
    .pause(1.millisecond, 30.milliseconds)
    .doIf(session => session.contains("location")) {
      exec(http("lookup").get("#{location}"))
    }

  private val search = scenario("search")
    .feed(terms.circular)
    .exec(http("search").get("/pessoas").queryParam("t", "#{t}"))

  private val searchWithoutTerm = scenario("search without a term")
    .exec(http("invalid search").get("/pessoas").check(status.is(400)))

  setUp(
    createThenLookUp.inject(
      constantUsersPerSec(2 * scale).during(first),
      constantUsersPerSec(5 * scale).during(second).randomized,
      rampUsersPerSec(6 * scale).to(600 * scale).during(ramp)
    ),
    search.inject(
      constantUsersPerSec(2 * scale).during(first + second),
      rampUsersPerSec(6 * scale).to(100 * scale).during(ramp)
    ),
    searchWithoutTerm.inject(
      constantUsersPerSec(2 * scale).during(first + second),
      rampUsersPerSec(6 * scale).to(40 * scale).during(ramp)
    )
  ).protocols(protocol)
    // Makes Gatling exit non-zero when a request got another answer than the contest allows.
    .assertions(global.failedRequests.count.is(0))

  private def share(ofFullSeconds: Int): FiniteDuration =
    math.max(1, math.round(ofFullSeconds.toDouble * seconds / FullSeconds)).seconds

  private def setting(name: String, default: String): String =
    sys.env.get(name).filter(_.nonEmpty).getOrElse(default)

  private def lines(variable: String, column: String): Array[Map[String, Any]] = {
    val path = Paths.get(sys.env.getOrElse(variable, sys.error(s"$variable is not set: use run-test.sh")))
    Lines.read(path, column).map(line => Map[String, Any](column -> line))
  }
}
