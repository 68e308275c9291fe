import com.hazelcast.config.Config;
import com.hazelcast.core.Hazelcast;
import com.hazelcast.core.HazelcastInstance;
import java.io.File;
import java.util.List;

/**
 * Starts a member on each address, one after the other, and says how many members the last one sees.
 *
 * <p>The command line is the configuration, then addresses. As in pods, all members have the same file and the same port.
 */
class HazelcastCluster {
    public static void main(String[] arguments) throws Exception {
        HazelcastInstance last = null;
        for (String address : List.of(arguments).subList(1, arguments.length)) {
            Config config = Config.loadFromFile(new File(arguments[0]));
            config.setProperty("hazelcast.local.localAddress", address);
            config.setProperty("hazelcast.socket.bind.any", "false");
            config.setProperty("hazelcast.phone.home.enabled", "false");
            config.setProperty("hazelcast.wait.seconds.before.join", "0");
            last = Hazelcast.newHazelcastInstance(config);
        }
        System.out.println(last.getCluster().getMembers().size());
        Hazelcast.shutdownAll();
    }
}
