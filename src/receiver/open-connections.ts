// The connections of the public socket, from the first moment of each: how many there may be, and who gives way.
// Never lets strangers push out a connection over which an authentic delivery came, or one with a request in flight.
import type http from 'node:http';
import type { Socket } from 'node:net';
import { createConnectionRoom, type ConnectionRoom } from './connection-room.ts';
import { conveyAddress, senderNetwork, tcpSocketOf } from './sender-address.ts';

/** How many of all connections one sender may have by its conveyed address: another three such senders still find room. */
const addressShare = 1 / 4;

export interface OpenConnectionsOptions {
  readonly maxConnections: number;
  /** How long a connection without a proof may be idle after an answer; node's own keepAliveTimeout holds for others. */
  readonly unprovenKeepAliveTimeoutMs: number;
  /** There was no room, and nobody gave way. The socket is destroyed next. */
  readonly dropped: (socket: Socket) => void;
  /** It gave way to a newcomer. The socket is destroyed next. */
  readonly pushedOut: (socket: Socket) => void;
}

export interface OpenConnections {
  /** False when there is no room: the connection is gone. */
  enter(socket: Socket): boolean;
  /** A PROXY header of so many bytes was read. False when its sender has too many connections: this one is gone. */
  proxied(socket: Socket, header: { bytes: number; address: string | undefined }): boolean;
  markProven(socket: Socket): void;
  isProven(socket: Socket): boolean;
  /** True when nobody has to hear how it ended: we pushed it out, or it never brought a byte of its own. */
  endsInSilence(socket: Socket): boolean;
  destroyAll(): void;
}

type Room = ConnectionRoom<Connection>;

interface Connection {
  readonly socket: Socket;
  /** Where it takes up room: among all, and among those of its conveyed address. */
  readonly rooms: Room[];
  isProven: boolean;
  isPushedOut: boolean;
  requests: number;
  headerBytes: number;
}

export function trackConnections(server: http.Server, options: OpenConnectionsOptions): OpenConnections {
  const { maxConnections, unprovenKeepAliveTimeoutMs, dropped, pushedOut } = options;
  const everybody: Room = createConnectionRoom({ limit: maxConnections });
  const addresses = createAddressRooms(Math.max(1, Math.floor(maxConnections * addressShare)));
  const bySocket = new WeakMap<Socket, Connection>();
  const connectionOf = (socket: Socket) => bySocket.get(tcpSocketOf(socket));
  const idleLimitMs = () => Math.min(unprovenKeepAliveTimeoutMs, server.keepAliveTimeout);

  function takeRoom(connection: Connection, room: Room): boolean {
    const yielding = room.whoGivesWay();
    if (yielding === null) {
      dropped(connection.socket);
      end(connection);
      return false;
    }
    if (yielding !== undefined) {
      yielding.isPushedOut = true;
      pushedOut(yielding.socket);
      end(yielding);
    }
    room.enter(connection);
    connection.rooms.push(room);
    return true;
  }

  server.on('request', ({ socket }, response) => {
    const connection = connectionOf(socket);
    if (connection !== undefined) trackRequest(connection, { response, idleLimitMs });
  });

  return {
    enter(socket) {
      const connection = beginConnection(socket);
      bySocket.set(socket, connection);
      socket.once('close', () => leave(connection));
      return takeRoom(connection, everybody);
    },
    proxied(socket, { bytes, address }) {
      const connection = connectionOf(socket);
      if (connection === undefined) return false;
      connection.headerBytes = bytes;
      if (address === undefined) return true;
      conveyAddress(socket, address);
      return takeRoom(connection, addresses.roomOf(senderNetwork(address)));
    },
    markProven(socket) {
      const connection = connectionOf(socket);
      if (connection === undefined) return;
      connection.isProven = true;
      for (const room of connection.rooms) room.hold(connection);
    },
    isProven: (socket) => connectionOf(socket)?.isProven ?? false,
    endsInSilence(socket) {
      const connection = connectionOf(socket);
      if (connection === undefined) return false;
      return connection.isPushedOut || connection.socket.bytesRead <= connection.headerBytes;
    },
    destroyAll() {
      for (const { socket } of everybody.members) socket.destroy();
    },
  };
}

function beginConnection(socket: Socket): Connection {
  return { socket, rooms: [], isProven: false, isPushedOut: false, requests: 0, headerBytes: 0 };
}

/** A connection keeps its place while it has a request in flight. */
function trackRequest(
  connection: Connection,
  { response, idleLimitMs }: { response: http.ServerResponse; idleLimitMs: () => number },
): void {
  connection.requests += 1;
  for (const room of connection.rooms) room.hold(connection);
  // Behind node's own listener, which has just set its own patience, and takes it back at the next request.
  response.once('finish', () => {
    const isIdle = connection.requests === 1;
    if (isIdle && !connection.isProven) response.req.socket.setTimeout(idleLimitMs());
  });
  response.once('close', () => {
    connection.requests -= 1;
    if (connection.requests > 0 || connection.isProven) return;
    for (const room of connection.rooms) room.release(connection);
  });
}

function end(connection: Connection): void {
  // At once and not when it has closed: its room is wanted now.
  leave(connection);
  connection.socket.destroy();
}

function leave(connection: Connection): void {
  for (const room of connection.rooms.splice(0)) room.leave(connection);
}

/** One room per address that has connections: what is remembered grows with those, not with addresses ever seen. */
function createAddressRooms(limit: number): { roomOf(address: string): Room } {
  const rooms = new Map<string, Room>();
  return {
    roomOf(address) {
      const room = rooms.get(address) ?? createConnectionRoom<Connection>({ limit });
      if (rooms.has(address)) return room;
      const counted: Room = {
        ...room,
        leave(member) {
          room.leave(member);
          if (room.members.size === 0) rooms.delete(address);
        },
      };
      rooms.set(address, counted);
      return counted;
    },
  };
}
