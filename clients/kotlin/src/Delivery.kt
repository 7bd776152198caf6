package sparkperso

import java.io.ByteArrayOutputStream
import java.io.IOException
import java.net.HttpURLConnection
import java.net.URL
import java.util.Base64
import java.util.zip.GZIPOutputStream
import kotlin.random.Random

private const val OK = 200
private const val NONE_TAKEN = 422
private const val LONGEST_WAIT_MILLIS = 3_600_000L

/** The request itself is at fault: halves of it are sent until the event that is, is found. */
private val AT_FAULT = setOf(400, 413, 415, NONE_TAKEN)

/** An answer; [retryAfterMillis] is what it asks to wait, 0 when it asks for nothing. */
internal class Answer(val status: Int, val body: String, val retryAfterMillis: Long)

/** Posts batches; HttpURLConnection, since Android has it as well. */
internal class Http(url: String, writeKey: String, private val timeoutMillis: Int) {
    private val address = URL(url.trimEnd('/') + "/v1/events")
    private val credentials = Base64.getEncoder().encodeToString("$writeKey:".toByteArray())

    /** Returns the answer to a body; throws IOException when there is none. */
    fun post(body: String): Answer {
        val connection = address.openConnection() as HttpURLConnection
        connection.requestMethod = "POST"
        connection.connectTimeout = timeoutMillis
        connection.readTimeout = timeoutMillis
        connection.instanceFollowRedirects = false
        connection.doOutput = true
        connection.setRequestProperty("Authorization", "Basic $credentials")
        connection.setRequestProperty("Content-Type", "application/json")
        connection.setRequestProperty("Content-Encoding", "gzip")
        connection.outputStream.use { it.write(packed(body)) }
        val status = connection.responseCode
        val stream = if (status < 400) connection.inputStream else connection.errorStream
        val text = stream?.use { it.readBytes().decodeToString() }.orEmpty()
        return Answer(status, text, retryAfter(connection))
    }

    private fun packed(body: String): ByteArray {
        val out = ByteArrayOutputStream()
        GZIPOutputStream(out).use { it.write(body.toByteArray()) }
        return out.toByteArray()
    }

    /** Returns what Retry-After asks for, which is seconds or a date, in milliseconds. */
    private fun retryAfter(connection: HttpURLConnection): Long {
        val seconds = connection.getHeaderField("Retry-After")?.trim()?.toLongOrNull()
        if (seconds != null) return seconds.coerceIn(0, LONGEST_WAIT_MILLIS / 1000) * 1000
        val date = connection.getHeaderFieldDate("Retry-After", 0)
        return (date - System.currentTimeMillis()).coerceIn(0, LONGEST_WAIT_MILLIS)
    }
}

/** Takes batches off the queue when the collector has them; one thread uses it. */
internal class Delivery(
    private val http: Http,
    private val queue: Queue,
    private val options: Options,
    private val log: (String) -> Unit,
) {
    @Volatile
    var stats = Stats()
        private set
    private var most = options.batchEvents
    private var failures = 0
    private var notBefore = 0L

    /** Returns how long to wait before the next request. */
    fun pauseMillis(): Long = (notBefore - now()).coerceAtLeast(0)

    /** Sends one batch, and takes it off the queue if it was answered for good. */
    fun sendOne() {
        val lines = queue.head(most, options.batchBytes)
        try {
            // The collector takes the error of this device's clock from sent_at.
            val start = "{\"sent_at\":${System.currentTimeMillis()},\"events\":["
            answered(lines.size, http.post(lines.joinToString(",", start, "]}")))
        } catch (error: IOException) {
            failed(error.toString(), 0)
        }
    }

    private fun answered(count: Int, answer: Answer) {
        // A proxy's page with 200 is no collector's word: the events stay.
        val isRead = answer.status in setOf(OK, NONE_TAKEN) && "\"results\"" in answer.body
        when {
            isRead -> done(count, answer)
            answer.status !in AT_FAULT -> failed("status ${answer.status}", answer.retryAfterMillis)
            count > 1 -> most = count / 2
            else -> done(count, answer)
        }
    }

    private fun done(count: Int, answer: Answer) {
        val isOk = answer.status == OK
        val refused = if (isOk) number("refused", answer.body) else 0
        val invalid = if (isOk) number("invalid", answer.body) else count
        if (invalid > 0) log("The collector does not take $invalid events: ${answer.body.take(500)}")
        stats = stats.copy(
            accepted = stats.accepted + count - refused - invalid,
            refused = stats.refused + refused,
            invalid = stats.invalid + invalid,
        )
        if (isOk) most = (most * 2).coerceAtMost(options.batchEvents)
        failures = 0
        notBefore = 0
        queue.remove(count)
    }

    private fun failed(reason: String, askedMillis: Long) {
        stats = stats.copy(failures = stats.failures + 1)
        val doubled = options.firstPauseMillis shl failures.coerceAtMost(20)
        val own = doubled.coerceAtMost(options.longestPauseMillis) * Random.nextDouble(0.5, 1.0)
        failures += 1
        notBefore = now() + maxOf(own.toLong(), askedMillis)
        log("Events wait ${pauseMillis()} ms, then they are sent again: $reason")
    }

    private fun number(name: String, body: String): Int =
        Regex("\"$name\":(\\d+)").find(body)?.groupValues?.get(1)?.toInt() ?: 0

    private fun now(): Long = System.nanoTime() / 1_000_000
}
