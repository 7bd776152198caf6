package sparkperso

import java.io.File
import java.time.Instant
import java.util.UUID
import java.util.concurrent.TimeUnit
import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.thread
import kotlin.concurrent.withLock

/** How a client sends. Times are milliseconds. */
data class Options(
    val batchEvents: Int = 100,
    val batchBytes: Int = 500_000,
    val flushMillis: Long = 2_000,
    val maxQueued: Int = 10_000,
    val timeoutMillis: Int = 15_000,
    val firstPauseMillis: Long = 500,
    val longestPauseMillis: Long = 60_000,
) {
    init {
        require(batchEvents in 1..500) { "A batch has 1 to 500 events, not $batchEvents" }
    }
}

/** What became of a client's events; failures are requests that are sent again. */
data class Stats(
    val accepted: Int = 0,
    val refused: Int = 0,
    val invalid: Int = 0,
    val dropped: Int = 0,
    val failures: Int = 0,
)

/**
 * Sends events to the collector at [url] in batches, from a thread of its own, through outages.
 *
 * Any thread may track. An event has its id before it is queued, so that one that is sent twice
 * counts once. With a [queueFile] events outlive the process. Call [close] before it ends.
 */
class Client(
    url: String,
    writeKey: String,
    queueFile: File? = null,
    private val options: Options = Options(),
    private val log: (String) -> Unit = System.err::println,
) : AutoCloseable {
    private val queue = Queue(queueFile, options.maxQueued)
    private val delivery = Delivery(Http(url, writeKey, options.timeoutMillis), queue, options, log)
    private val lock = ReentrantLock()
    private val due = lock.newCondition()
    private val sent = lock.newCondition()
    private var isDue = false
    private var isClosing = false
    private var dropped = 0
    private val worker = thread(isDaemon = true, name = "sparkperso") { run() }

    /** What became of the events so far. */
    val stats: Stats get() = lock.withLock { delivery.stats.copy(dropped = dropped) }

    /** How many events wait. */
    val queued: Int get() = queue.size

    /**
     * Queues an event and returns its id at once. [fields] are further fields of an event (item_id,
     * value, currency, session_id, context, channel); throws IllegalArgumentException for an event
     * without a person and for values that JSON does not have. A full queue drops it, counted.
     */
    fun track(
        eventType: String,
        userId: String? = null,
        anonymousId: String? = null,
        metadata: Map<String, Any?> = emptyMap(),
        fields: Map<String, Any?> = emptyMap(),
    ): String {
        require(userId != null || anonymousId != null) { "An event has a userId or an anonymousId" }
        val id = UUID.randomUUID().toString()
        val own = mapOf(
            "event_id" to id, "event_type" to eventType, "timestamp" to Instant.now().toString(),
            "channel" to "mobile", "user_id" to userId, "anonymous_id" to anonymousId,
            "metadata" to metadata,
        )
        val line = Json.write((own + fields).filterValues { it != null })
        val isQueued = queue.put(line)
        lock.withLock {
            if (!isQueued) dropped += 1
            if (queued >= options.batchEvents) wake()
        }
        if (!isQueued) log("The queue is full: event $id is dropped")
        return id
    }

    /** Sends what waits, without batching; returns whether all is sent after [timeoutMillis]. */
    fun flush(timeoutMillis: Long = 10_000): Boolean = lock.withLock {
        wake()
        var left = TimeUnit.MILLISECONDS.toNanos(timeoutMillis)
        while (queued > 0 && left > 0) left = sent.awaitNanos(left)
        queued == 0
    }

    /** Sends what waits for ten seconds, and ends; what is left stays in its file. */
    override fun close() = close(10_000)

    /** Sends what waits for [timeoutMillis], and ends; what is left stays in its file. */
    fun close(timeoutMillis: Long) {
        if (lock.withLock { isClosing }) return
        flush(timeoutMillis)
        lock.withLock {
            isClosing = true
            wake()
        }
        worker.join(options.timeoutMillis.toLong())
        if (queued > 0) log("$queued events are not sent")
        queue.close()
    }

    private fun wake() {
        isDue = true
        due.signalAll()
    }

    private fun run() {
        while (pauseUntilDue()) {
            while (queued > 0 && pauseAfterFailure()) {
                delivery.sendOne()
                lock.withLock { sent.signalAll() }
            }
        }
    }

    private fun pauseUntilDue(): Boolean = lock.withLock {
        if (!isDue) due.await(options.flushMillis, TimeUnit.MILLISECONDS)
        isDue = false
        !isClosing
    }

    private fun pauseAfterFailure(): Boolean = lock.withLock {
        var left = TimeUnit.MILLISECONDS.toNanos(delivery.pauseMillis())
        while (left > 0 && !isClosing) left = due.awaitNanos(left)
        !isClosing
    }
}
