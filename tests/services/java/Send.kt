// Sends one call of each kind by Segment's client for Java: URL KEY USER
import com.segment.analytics.Analytics
import com.segment.analytics.Callback
import com.segment.analytics.messages.AliasMessage
import com.segment.analytics.messages.GroupMessage
import com.segment.analytics.messages.IdentifyMessage
import com.segment.analytics.messages.Message
import com.segment.analytics.messages.MessageBuilder
import com.segment.analytics.messages.PageMessage
import com.segment.analytics.messages.ScreenMessage
import com.segment.analytics.messages.TrackMessage
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import kotlin.system.exitProcess

fun main(args: Array<String>) {
    val (url, key, user) = args
    val order = mapOf(
        "order_id" to "o1", "total" to 30, "currency" to "EUR",
        "products" to listOf(
            mapOf("product_id" to "p1", "price" to 5, "quantity" to 4),
            mapOf("product_id" to "p2", "price" to 10, "quantity" to 1),
        ),
    )
    val traits = mapOf("email" to "ada@example.org", "plan" to "gold")
    val messages: List<MessageBuilder<*, *>> = listOf(
        IdentifyMessage.builder().traits(traits),
        TrackMessage.builder("Product Viewed").properties(mapOf("product_id" to "p1", "price" to 5)),
        TrackMessage.builder("Order Completed").properties(order),
        PageMessage.builder("Home").properties(mapOf("url" to "https://shop.example/")),
        ScreenMessage.builder("Basket"),
        GroupMessage.builder("g1").traits(mapOf("name" to "Club")),
        AliasMessage.builder("a-1"),
    )
    val answers = CountDownLatch(messages.size)
    val failures = mutableListOf<Throwable?>()
    val client = Analytics.builder(key).endpoint(url).callback(object : Callback {
        override fun success(message: Message?) = answers.countDown()

        override fun failure(message: Message?, throwable: Throwable?) {
            failures.add(throwable)
            answers.countDown()
        }
    }).build()
    for (message in messages) {
        message.userId(user).anonymousId("a-1")
        client.enqueue(message)
    }
    client.flush()
    val isDone = answers.await(30, TimeUnit.SECONDS)
    client.shutdown()
    failures.forEach { println("failed: $it") }
    exitProcess(if (isDone && failures.isEmpty()) 0 else 1)
}
