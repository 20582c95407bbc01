import {
  type GraphQLArgument,
  type GraphQLCompositeType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isObjectType,
  isUnionType,
} from 'graphql';
import { hash } from './values.ts';

export interface RandomOperation {
  text: string;
  variables: Record<string, unknown>;
}

/**
 * Writes a random operation for a schema, determined by the seed. It may be invalid, because its fields may conflict.
 *
 * @param isTyped whether each selection of an interface or union has `__typename`
 * @param isDeferring whether some fragments have `@defer`
 */
export function writeOperation(
  schema: GraphQLSchema,
  seed: number,
  { isTyped = false, isDeferring = false } = {},
): RandomOperation {
  let turn = 0;
  const random = (below: number) => hash(seed, turn++) % below;
  const fragments: string[] = [];

  const writeArguments = (args: readonly GraphQLArgument[]): { text: string; key: string } => {
    const written = args.flatMap(({ name, type }) => {
      if (String(type) === 'ID!') return [`id: "${['Product', 'Person', 'Book', 'Review'][random(4)]}:${random(4)}"`];
      if (String(type) === 'Int') return [[`${name}: 2`], [`${name}: $number`], []][random(3)] as string[];
      return [[`${name}: "x"`], [`${name}: $text`], []][random(3)] as string[];
    });
    if (written.length === 0) return { text: '', key: '' };
    return { text: `(${written.join(', ')})`, key: `_${hash(written) % 1_000}` };
  };
  const condition = () =>
    ['', '', '', '', ' @skip(if: $no)', ' @include(if: $yes)', ' @skip(if: $yes)', ' @include(if: true)'][random(8)];

  const defer = (type: GraphQLCompositeType) => {
    if (!isDeferring || type === schema.getMutationType()) return '';
    return [
      '',
      ' @defer',
      ` @defer(label: "part ${turn}")`,
      ' @defer(if: $yes)',
      ' @defer(if: $no)',
      ' @defer(if: false)',
    ][random(6)];
  };

  const writeField = (type: GraphQLCompositeType, depth: number): string => {
    const fields = isUnionType(type) ? [] : Object.values(type.getFields());
    const field = random(6) === 0 ? undefined : fields[random(Math.max(1, fields.length))];
    if (!field) return random(3) === 0 ? 'kindOf: __typename' : '__typename';
    const below = getNamedType(field.type);
    if (isCompositeType(below) && depth === 0) return '__typename';
    const { text, key } = writeArguments(field.args);
    const alias =
      key || random(4) === 0
        ? `${['toString', `${field.name}${key}`, `x${key}${type.name}`][key ? 1 : random(3)]}${key ? '' : field.name}: `
        : '';
    const selection = isCompositeType(below) ? ` ${writeSelections(below, depth - 1)}` : '';
    return `${alias}${field.name}${text}${condition()}${selection}`;
  };
  const writeFragment = (type: GraphQLCompositeType, depth: number): string => {
    const possible = isObjectType(type) ? [type] : schema.getPossibleTypes(type);
    const on = random(3) === 0 ? type : (possible[random(possible.length)] ?? type);
    if (random(4) === 0) return `...${condition()}${defer(type)} ${writeSelections(type, depth)}`;
    if (random(2) === 0) return `... on ${on.name}${condition()}${defer(type)} ${writeSelections(on, depth)}`;
    const name = `F${fragments.length}`;
    fragments.push('');
    fragments[Number(name.slice(1))] = `fragment ${name} on ${on.name} ${writeSelections(on, depth)}`;
    return `...${name}${condition()}${defer(type)}${random(4) === 0 ? ` ...${name}` : ''}`;
  };
  const writeSelections = (type: GraphQLCompositeType, depth: number): string => {
    const count = 1 + random(4);
    const items = Array.from({ length: count }, () =>
      random(4) === 0 && depth > 0
        ? writeFragment(type, depth - (isObjectType(type) ? 1 : 0))
        : writeField(type, depth),
    );
    return `{ ${isTyped && !isObjectType(type) ? '__typename ' : ''}${items.join(' ')} }`;
  };

  const kind = random(6) === 0 ? 'mutation' : 'query';
  const root = kind === 'mutation' ? schema.getMutationType() : schema.getQueryType();
  const body = root ? writeSelections(root, 3) : '';
  const all = `${body} ${fragments.join(' ')}`;
  const used = ['$number: Int', '$text: String', '$yes: Boolean!', '$no: Boolean = false'].filter((definition) =>
    all.includes(definition.split(':')[0] as string),
  );
  return {
    text: `${kind} ${used.length > 0 ? `Q(${used.join(', ')})` : ''} ${all}`,
    variables: { number: 1 + random(3), yes: true, ...(random(2) === 0 && { text: 'a "b"' }) },
  };
}
