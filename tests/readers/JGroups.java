import java.net.InetAddress;
import org.jgroups.JChannel;
import org.jgroups.PhysicalAddress;
import org.jgroups.protocols.TCP;
import org.jgroups.protocols.TCPPING;
import org.jgroups.stack.IpAddress;

/**
 * Reads hosts files as TCPPING does when its channel is made.
 *
 * <p>The command line is the address and the port to bind to, then files. For each file one line: the name, "ok" and the
 * hosts, sorted, each as address/port; or the name, "error" and what is wrong.
 */
class JGroups {
    public static void main(String[] arguments) throws Exception {
        InetAddress address = InetAddress.getByName(arguments[0]);
        int port = Integer.parseInt(arguments[1]);
        for (int i = 2; i < arguments.length; i++) {
            System.out.println(arguments[i] + "\t" + describe(address, port, arguments[i]));
        }
    }

    private static String describe(InetAddress address, int port, String file) {
        TCPPING discovery = new TCPPING();
        discovery.setValue("initial_hosts_file", file);
        discovery.portRange(0);
        try (JChannel channel = new JChannel(new TCP().setBindAddress(address).setBindPort(port), discovery)) {
            StringBuilder hosts = new StringBuilder();
            discovery.getInitialHosts().stream().map(JGroups::spell).sorted().forEach(host -> hosts.append(host).append(' '));
            return "ok\t" + hosts.toString().trim();
        } catch (Exception error) {
            return "error\t" + error;
        }
    }

    private static String spell(PhysicalAddress host) {
        IpAddress known = (IpAddress) host;
        return known.getIpAddress().getHostAddress() + "/" + known.getPort();
    }
}
