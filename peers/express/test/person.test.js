import assert from 'node:assert/strict'
import test from 'node:test'
import { parsePerson } from '../src/person.js'

const valid = { apelido: 'ana', nome: 'Ana', nascimento: '2000-10-01', stack: ['C#', 'Node'] }

function status(body) {
  try {
    parsePerson(body)
    return 201
  } catch (error) {
    return error.status
  }
}

test('a person is taken as it is', () => {
  for (const stack of [null, [], ['C#', '']]) {
    assert.deepEqual(parsePerson({ ...valid, stack, more: 1 }), { ...valid, stack })
  }
  const { stack, ...without } = valid
  assert.deepEqual(parsePerson(without), { ...without, stack: null })
})

test('a wrong type is 400 whatever the values are', () => {
  for (const body of [null, [], 1, 'a', undefined]) assert.equal(status(body), 400)
  for (const field of ['apelido', 'nome', 'nascimento']) {
    for (const value of [1, true, [], {}]) assert.equal(status({ ...valid, [field]: value }), 400, field)
  }
  for (const stack of ['Node', 1, {}, [1], ['Node', null]]) assert.equal(status({ ...valid, stack }), 400)
  assert.equal(status({ apelido: null, nome: 1, nascimento: 'x' }), 400)
})

test('what is missing is 422', () => {
  for (const field of ['apelido', 'nome', 'nascimento']) {
    for (const value of [null, undefined]) assert.equal(status({ ...valid, [field]: value }), 422, field)
  }
})

test('lengths are in characters', () => {
  for (const letter of ['a', 'é', '日', '🦀']) {
    assert.equal(status({ ...valid, apelido: letter.repeat(32) }), 201)
    assert.equal(status({ ...valid, apelido: letter.repeat(33) }), 422)
    assert.equal(status({ ...valid, nome: letter.repeat(100) }), 201)
    assert.equal(status({ ...valid, nome: letter.repeat(101) }), 422)
    assert.equal(status({ ...valid, stack: [letter.repeat(33)] }), 422)
  }
})

test('what Postgres cannot store is 422', () => {
  for (const text of ['\0', 'a\ud83e', '\udd80\ud83e']) {
    assert.equal(status({ ...valid, nome: text }), 422)
    assert.equal(status({ ...valid, stack: [text] }), 422)
  }
})

test('dates are strict', () => {
  for (const date of ['2000-02-29', '0001-01-01', '9999-12-31']) {
    assert.equal(status({ ...valid, nascimento: date }), 201, date)
  }
  for (const date of ['2001-02-29', '2000-04-31', '2000-13-01', '2000-00-10', '0000-01-01', '2000-1-01', '2000-01-01\n', '']) {
    assert.equal(status({ ...valid, nascimento: date }), 422, date)
  }
})
