import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;
import org.jgroups.JChannel;
import org.jgroups.protocols.FRAG2;
import org.jgroups.protocols.MERGE3;
import org.jgroups.protocols.TCP;
import org.jgroups.protocols.TCPPING;
import org.jgroups.protocols.UNICAST3;
import org.jgroups.protocols.pbcast.GMS;
import org.jgroups.protocols.pbcast.NAKACK2;
import org.jgroups.protocols.pbcast.STABLE;

/**
 * Starts a channel on each address, one after the other, and says how many members the last one's first view has.
 *
 * <p>The command line is the hosts file, the port to bind to, then addresses.
 */
class JGroupsCluster {
    public static void main(String[] arguments) throws Exception {
        int port = Integer.parseInt(arguments[1]);
        List<JChannel> channels = new ArrayList<>();
        for (String address : List.of(arguments).subList(2, arguments.length)) {
            JChannel channel = channel(arguments[0], InetAddress.getByName(address), port);
            channels.add(channel);
            channel.connect("members");
        }
        System.out.println(channels.get(channels.size() - 1).getView().size());
        channels.forEach(JChannel::close);
    }

    private static JChannel channel(String file, InetAddress address, int port) throws Exception {
        TCPPING discovery = new TCPPING();
        discovery.setValue("initial_hosts_file", file);
        discovery.setPortRange(0);
        return new JChannel(
                new TCP().setBindAddress(address).setBindPort(port).setPortRange(0),
                discovery,
                new MERGE3(),
                new NAKACK2().useMcastXmit(false),
                new UNICAST3(),
                new STABLE(),
                new GMS().setJoinTimeout(1000),
                new FRAG2());
    }
}
