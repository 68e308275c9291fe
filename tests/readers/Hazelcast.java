import com.hazelcast.config.Config;
import com.hazelcast.config.JoinConfig;
import com.hazelcast.config.NetworkConfig;
import com.hazelcast.config.XmlConfigBuilder;
import com.hazelcast.config.YamlConfigBuilder;
import java.util.List;

/**
 * Reads Hazelcast configurations as a member does at its start, validation against the schema included.
 *
 * <p>For each file of the command line one line: the name, "ok", the port (with a "+" if it is incremented), which ways
 * of joining are enabled, and the members, sorted; or the name, "error" and what is wrong.
 */
class Hazelcast {
    public static void main(String[] files) {
        for (String file : files) {
            System.out.println(file + "\t" + describe(file));
        }
    }

    private static String describe(String file) {
        try {
            NetworkConfig network = read(file).getNetworkConfig();
            JoinConfig join = network.getJoin();
            String port = network.getPort() + (network.isPortAutoIncrement() ? "+" : "");
            String ways = (join.getMulticastConfig().isEnabled() ? "multicast " : "")
                    + (join.isAutoDetectionEnabled() ? "auto-detection " : "")
                    + (join.getTcpIpConfig().isEnabled() ? "tcp-ip " : "");
            List<String> members = join.getTcpIpConfig().getMembers().stream().sorted().toList();
            return "ok\t" + port + "\t" + ways.trim() + "\t" + String.join(" ", members);
        } catch (Exception error) {
            return "error\t" + String.valueOf(error.getMessage()).replaceAll("\\s+", " ");
        }
    }

    private static Config read(String file) throws Exception {
        return file.endsWith(".xml") ? new XmlConfigBuilder(file).build() : new YamlConfigBuilder(file).build();
    }
}
