// Every statement that goes to a database, as it is sent: for tests that ask what the database makes of it. Changes nothing.
import type { CompiledQuery, DatabaseConnection, Dialect } from 'kysely';

export type SentStatement = Pick<CompiledQuery, 'sql' | 'parameters'>;

/** The dialect, telling of each statement before it is sent. */
export function watchedDialect(dialect: Dialect, onStatement: (sent: SentStatement) => void): Dialect {
  const watched = new WeakSet<DatabaseConnection>();

  function watch(connection: DatabaseConnection): void {
    if (watched.has(connection)) return;
    watched.add(connection);
    const send = connection.executeQuery.bind(connection);
    connection.executeQuery = (query, ...more) => {
      onStatement({ sql: query.sql, parameters: query.parameters });
      return send(query, ...more);
    };
  }

  return {
    createAdapter: () => dialect.createAdapter(),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createDriver() {
      const driver = dialect.createDriver();
      const acquire = driver.acquireConnection.bind(driver);
      // The driver itself, since it looks for what it has put on its connections.
      driver.acquireConnection = async (...options) => {
        const connection = await acquire(...options);
        watch(connection);
        return connection;
      };
      return driver;
    },
  };
}
