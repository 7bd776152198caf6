import java.io.File
import sparkperso.Client
import sparkperso.Options

/** Tracks events and prints their ids, then what became of them: URL KEY USER COUNT [QUEUE_FILE]. */
fun main(arguments: Array<String>) {
    val (url, key, user, count) = arguments
    val queue = arguments.getOrNull(4)?.let(::File)
    val options = Options(flushMillis = 100, firstPauseMillis = 100, longestPauseMillis = 400)
    val client = Client(url, key, queue, options)
    repeat(count.toInt()) { number ->
        val metadata = mapOf("number" to number, "text" to "\"ü\" 😀\uD83D\n\u0000", "list" to listOf(1.5, null))
        println(client.track("item_view", user, metadata = metadata, fields = mapOf("item_id" to "A-$number")))
    }
    client.close(if (queue == null) 20_000 else 2_000)
    println(client.stats)
}
